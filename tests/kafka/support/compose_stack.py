"""docker-compose.yml brought up for tests: a project name and host ports of its own, so that it disturbs no other.

In: nothing but a Docker engine and one of the two compose commands. Out: Kafka, alsobought and Prometheus, reachable
from this machine. `down` removes containers, volumes, network and the built image, whatever state they are in.
"""

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from tests.kafka.brokers.broker import eventually
from tests.kafka.brokers.jars import Unavailable
from tests.kafka.brokers.java import free_ports

ROOT = Path(__file__).parents[3]
UP_TIMEOUT_S = 480.0
COMMAND_TIMEOUT_S = 120.0
HEALTHY_TIMEOUT_S = 120.0


class ComposeStack:
    """Unavailable when made where there is no engine, no compose command, or no way to have the images."""

    def __init__(self) -> None:
        need_engine()
        self._command = [*compose_command(), "--project-name", f"alsobought-test-{uuid.uuid4().hex[:8]}"]
        kafka, http, prometheus = free_ports(3)
        self.bootstrap = f"127.0.0.1:{kafka}"
        self._http, self._prometheus = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{prometheus}"
        ports = {"KAFKA_PORT": kafka, "HTTP_PORT": http, "PROMETHEUS_PORT": prometheus}
        self._environment = os.environ | {name: str(port) for name, port in ports.items()}

    def up(self) -> None:
        """Build, start, and wait until the service is healthy and ready, and Prometheus answers."""
        self._compose("up", "--detach", "--build", timeout_s=UP_TIMEOUT_S)
        self._wait()

    def down(self) -> None:
        self._compose("down", "--volumes", "--rmi", "local", "--remove-orphans")

    def start(self) -> None:
        """Start the service again after `stop`."""
        self._compose("start", "alsobought")
        self._wait()

    def stop(self) -> int:
        """Stop the service as `docker-compose stop` does, by SIGTERM; its exit code, 137 when it had to be killed."""
        container = self._container()
        self._compose("stop", "alsobought")
        return int(_docker("inspect", "--format", "{{.State.ExitCode}}", container))

    def inside(self, *command: str) -> tuple[int, str]:
        """(exit code, output) of a command in the service's container, run as the service's user."""
        done = subprocess.run(
            ["docker", "exec", self._container(), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )
        return done.returncode, done.stdout.strip()

    def targets(self) -> list[dict[str, Any]]:
        """What Prometheus scrapes, and how that goes."""
        found: list[dict[str, Any]] = _get(f"{self._prometheus}/api/v1/targets")["data"]["activeTargets"]
        return found

    def query(self, promql: str) -> list[float]:
        """The values that Prometheus has for a query now, none for an unknown series."""
        answer = _get(f"{self._prometheus}/api/v1/query?{urllib.parse.urlencode({'query': promql})}")
        return [float(series["value"][1]) for series in answer["data"]["result"]]

    def log_tail(self, lines: int = 60) -> str:
        return self._compose("logs", "--no-color", "--tail", str(lines))

    def _wait(self) -> None:
        container = self._container()
        eventually(
            lambda: _docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy",
            "the container of alsobought is healthy",
            HEALTHY_TIMEOUT_S,
        )
        for url in (f"{self._http}/ready", f"{self._prometheus}/-/ready"):
            eventually(lambda url=url: _is_ok(url), f"{url} says yes", HEALTHY_TIMEOUT_S)  # type: ignore[misc]

    def _container(self) -> str:
        return self._compose("ps", "--quiet", "--all", "alsobought").strip()

    def _compose(self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        return _run([*self._command, *arguments], self._environment, timeout_s)


def compose_command() -> list[str]:
    """Whichever is there: the plug-in of the Docker client, or the older command."""
    if shutil.which("docker") and _succeeds("docker", "compose", "version"):
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise Unavailable("neither `docker compose` nor `docker-compose` is there: install Docker Compose")


def need_engine() -> None:
    """Unavailable without an engine, or where an image that the two files name is missing and cannot be pulled."""
    if not shutil.which("docker") or not _succeeds("docker", "info"):
        raise Unavailable("no Docker engine answers: install and start one (docker info must work)")
    named = re.findall(r"^ +image: (\S+)", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    named += re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for image in sorted(set(named)):
        if not _succeeds("docker", "image", "inspect", image) and not _succeeds("docker", "pull", image):
            raise Unavailable(f"the image {image} cannot be had (try: docker pull {image})")


def _docker(*arguments: str) -> str:
    return _run(["docker", *arguments], dict(os.environ), COMMAND_TIMEOUT_S).strip()


def _run(command: list[str], environment: dict[str, str], timeout_s: float) -> str:
    """Standard output; AssertionError with all it said when the command fails."""
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s
    )
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=UP_TIMEOUT_S).returncode == 0


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError as refusal:
        refusal.close()
    except OSError:  # not listening yet
        pass
    return False


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)
