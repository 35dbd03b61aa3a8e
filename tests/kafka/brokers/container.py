"""The official Apache Kafka image by testcontainers: one node, published on one port of 127.0.0.1.

It is ready when it would create a topic, and is removed when it stops. The side container that testcontainers would
start to clean up (Ryuk) is not used: it is one more image and needs the engine's socket.
"""

import atexit
import subprocess
import sys
import time
from typing import Self

from docker.errors import DockerException  # type: ignore[import-untyped]  # it ships no types
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.kafka.brokers.broker import RealBroker
from tests.kafka.brokers.jars import KAFKA_VERSION, Unavailable
from tests.kafka.brokers.java import free_ports
from tests.kafka.brokers.server_properties import Node, server_properties

IMAGE = f"apache/kafka:{KAFKA_VERSION}"
READY_TIMEOUT_S = 120.0
ENGINE_TIMEOUT_S = 5
_CONTROLLER_PORT = 9093

testcontainers_config.ryuk_disabled = True  # what TESTCONTAINERS_RYUK_DISABLED=true does


class ContainerBroker(RealBroker):
    """Started by `start`, or as a context manager."""

    kind = "docker"

    def __init__(self) -> None:
        self._container: DockerContainer | None = None

    def start(self) -> Self:
        """Unavailable when no engine answers or the image cannot be had; RuntimeError when it does not get ready."""
        _need_engine()
        (port,) = free_ports(1)
        self.bootstrap = f"127.0.0.1:{port}"
        self._container = _container(port)
        atexit.register(self.stop)
        try:
            self._container.start()
        except DockerException as problem:
            raise Unavailable(
                f"the Docker engine cannot run {IMAGE} (try: docker pull {IMAGE}): {problem}"
            ) from problem
        self._wait_until_ready(self._container)
        return self

    def stop(self) -> None:
        container, self._container = self._container, None
        atexit.unregister(self.stop)
        if container:
            container.stop()

    def log_tail(self, lines: int = 30) -> str:
        said = b"\n".join(self._container.get_logs()) if self._container else b""
        return "\n".join(said.decode(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self.start()

    def _wait_until_ready(self, container: DockerContainer) -> None:
        admin, deadline = self.admin, time.monotonic() + READY_TIMEOUT_S
        while not self.is_ready(admin, self.nodes):
            wrapped = container.get_wrapped_container()
            wrapped.reload()
            if wrapped.status == "exited" or time.monotonic() > deadline:
                tail = self.log_tail()
                self.stop()
                raise RuntimeError(
                    f"{IMAGE} at {self.bootstrap} is not ready ({wrapped.status}). Its log ends:\n{tail}"
                )
            time.sleep(0.1)


def _need_engine() -> None:
    # In a process of its own: a client that finds no engine leaves an open socket behind, which fails the whole run.
    ask = f"import docker; docker.from_env(timeout={ENGINE_TIMEOUT_S}).ping()"
    asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False, timeout=60)
    if asked.returncode:
        why = asked.stderr.strip().splitlines()[-1][:120]
        raise Unavailable(f"no Docker engine answers: install and start one (docker info must work): {why}")


def _container(port: int) -> DockerContainer:
    node = Node(1, port, _CONTROLLER_PORT, listen_on="")
    told = server_properties(node, [node], "/tmp/kafka-logs")
    # as root, because the image's start rewrites its own defaults, which some builds of it made read-only
    container = DockerContainer(IMAGE, user="root")
    # with_bind_ports would publish it to the whole network
    container.ports[f"{port}/tcp"] = ("127.0.0.1", port)  # type: ignore[assignment]  # docker takes an address as well
    container.with_env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx256m")
    for name, value in told.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    return container
