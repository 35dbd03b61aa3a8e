"""The official Apache Kafka broker as a subprocess: one node or several, on free ports of 127.0.0.1, in its own folder.

It is ready when it would create a topic. It can be stopped (SIGTERM), killed (SIGKILL) and started again on the same
folder; after a kill the node first waits out its old registration. Its log's end is in the error when it fails.
Whatever happens, the processes it started end with this one.
"""

import atexit
import base64
import contextlib
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from tests.kafka.brokers.broker import Properties, RealBroker
from tests.kafka.brokers.certificates import Certificate
from tests.kafka.brokers.jars import classpath
from tests.kafka.brokers.server_properties import Node, proxied, server_properties

READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
FORMAT_TIMEOUT_S = 60.0
ATTEMPTS = 3
_JAVA = [
    "java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
    f"-Dlog4j2.configurationFile=file:{Path(__file__).with_name('log4j2.properties')}",
]  # fmt: skip


class PortTaken(RuntimeError):
    """Somebody took a port between our choice and the broker's start: choose others."""


class JavaBroker(RealBroker):
    """A cluster of `nodes`, started by `start` or as a context manager. Nodes are numbered from 1.

    `properties` go into server.properties of every node, over ours. With `sasl_users` (name -> password) clients must
    log in by SASL, with a `certificate` over TLS; `client_properties` then hold the first user and the `mechanism`,
    which is PLAIN or SCRAM-SHA-512. With a `proxy_port` one node listens on the port `behind_proxy`, too, and tells the
    clients that come by there to come by that port of 127.0.0.1.
    """

    kind = "java"

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 1,
        properties: Mapping[str, str] | None = None,
        sasl_users: Mapping[str, str] | None = None,
        certificate: Certificate | None = None,
        mechanism: str = "PLAIN",
        proxy_port: int | None = None,
    ) -> None:
        self.folder, self.nodes = folder, nodes
        self._properties, self._sasl_users = dict(properties or {}), sasl_users
        self._certificate, self._mechanism = certificate, mechanism
        self._proxy_port, self.behind_proxy = proxy_port, 0
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def security(self) -> Properties:
        if not self._sasl_users:
            return {}
        name, password = next(iter(self._sasl_users.items()))
        login: Properties = {"sasl.mechanism": self._mechanism, "sasl.username": name, "sasl.password": password}
        if self._certificate is None:
            return login | {"security.protocol": "SASL_PLAINTEXT"}
        return login | {"security.protocol": "SASL_SSL", "ssl.ca.location": str(self._certificate.authority)}

    def start(self) -> Self:
        """Format fresh folders, start every node, wait until it is ready.

        Unavailable (`jars`) when this machine cannot; RuntimeError with the log's end when the broker does not start.
        """
        self._classpath = classpath()
        atexit.register(self.kill)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._prepare()
                self.restart()
            except PortTaken:
                self.kill()
                if attempt == ATTEMPTS:
                    raise
            else:
                return self
        raise AssertionError("unreachable")

    def restart(self, node: int | None = None) -> None:
        """Start what does not run (every node, or one) on the folder it left, and wait until the cluster is ready."""
        for number in self._numbers(node):
            if not self.is_running(number):
                self._processes[number] = self._launch(number)
        self._wait_until_ready()

    def stop(self, node: int | None = None) -> None:
        """SIGTERM to every node or to one, and wait: a controlled shutdown. The folder stays."""
        running = [self._processes[number] for number in self._numbers(node) if self.is_running(number)]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self, node: int | None = None) -> None:
        """SIGKILL to every node or to one, and wait: a crash. The folder stays."""
        running = [self._processes[number] for number in self._numbers(node) if self.is_running(number)]
        for process in running:
            process.kill()
            process.wait()

    def is_running(self, node: int) -> bool:
        return node in self._processes and self._processes[node].poll() is None

    def pid(self, node: int = 1) -> int:
        return self._processes[node].pid

    def log_tail(self, lines: int = 30) -> str:
        """The last lines that each node logged."""
        logs = sorted(self.folder.glob("n*.log"))
        return "\n".join(f"{log.name}:\n" + "\n".join(_text(log).splitlines()[-lines:]) for log in logs)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        atexit.unregister(self.kill)

    def _numbers(self, node: int | None) -> Iterable[int]:
        return range(1, self.nodes + 1) if node is None else [node]

    def _prepare(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        ports = free_ports(2 * self.nodes)
        voters = [Node(number, ports.pop(), ports.pop()) for number in self._numbers(None)]
        self.bootstrap = ",".join(f"127.0.0.1:{node.port}" for node in voters)
        if self._proxy_port is not None:
            (self.behind_proxy,) = free_ports(1)
            self._properties |= proxied(voters[0], self.behind_proxy, self._proxy_port)
        for node in voters:
            folder = str(self.folder / f"n{node.id}")
            told = server_properties(node, voters, folder, self._sasl_users, self._certificate)
            lines = [f"{name}={value}\n" for name, value in (told | self._properties).items()]
            self._config(node.id).write_text("".join(lines))
        self._format()

    def _format(self) -> None:
        # "=" in one word: one id in 64 starts with "-" and would be read as an option
        cluster_id = f"--cluster-id={base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip('=')}"
        scram = [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]"
            for name, password in (self._sasl_users or {}).items()
        ]
        tool = [*_JAVA, "-cp", self._classpath, "kafka.tools.StorageTool", "format", cluster_id, *scram, "--config"]
        formats = [
            subprocess.Popen([*tool, str(self._config(number))], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for number in self._numbers(None)
        ]
        for process in formats:
            said = process.communicate(timeout=FORMAT_TIMEOUT_S)[0].decode(errors="replace")
            if process.returncode:
                raise RuntimeError(f"kafka.tools.StorageTool format ended with {process.returncode}: {said[-2000:]}")

    def _launch(self, number: int) -> subprocess.Popen[bytes]:
        with (self.folder / f"n{number}.log").open("ab") as log:
            return subprocess.Popen(
                [*_JAVA, "-cp", self._classpath, "kafka.Kafka", str(self._config(number))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops the broker in order
            )

    def _wait_until_ready(self) -> None:
        admin, deadline = self.admin, time.monotonic() + READY_TIMEOUT_S
        started = [number for number in self._numbers(None) if self.is_running(number)]
        while not self.is_ready(admin, len(started)):
            if ended := [number for number in started if not self.is_running(number)]:
                raise self._failure(f"node {ended[0]} ended with code {self._processes[ended[0]].poll()}")
            if time.monotonic() > deadline:
                raise self._failure(f"not ready within {READY_TIMEOUT_S} s")
            time.sleep(0.05)

    def _failure(self, what: str) -> RuntimeError:
        tail = self.log_tail()
        kind = PortTaken if "Address already in use" in tail else RuntimeError
        return kind(f"Apache Kafka in {self.folder}: {what}. Its log ends:\n{tail}")

    def _config(self, number: int) -> Path:
        return self.folder / f"n{number}.properties"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _text(log: Path) -> str:
    return log.read_text(errors="replace")
