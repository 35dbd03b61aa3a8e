"""A real `alsobought run` for tests: a process with its own data folder, settings by environment, its log in a file.

It is ready when /ready says so. `stop` is SIGTERM and gives the exit code, `kill` is SIGKILL for it and its trainer;
after either, `start` begins again on the same folder. What it logged is shown with a failing test (conftest.py).
"""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import psutil
from prometheus_client.parser import text_string_to_metric_families

from config.settings import Settings
from consumers.pace import Pace
from tests.kafka.brokers.broker import Broker
from tests.kafka.support.warm_parent import WarmParent, WarmProcess

ROOT = Path(__file__).parents[3]
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60.0
HTTP_TIMEOUT_S = 10.0
QUICK_PACE = Pace(chores_s=0.2, check_s=0.5, first_wait_s=5.0, settle_s=10.0, retry_s=5.0, restart_s=1.0)
"""Where a shop's operator would not notice a wait, a test does. How long ends may take stays as it is."""
LOOKS_OFTEN = replace(QUICK_PACE, topic_check_s=1.0)
"""For tests of what a look at the topics finds out, which a shop has every 15 s."""


@dataclass(frozen=True, slots=True)
class ShopTopics:
    """The topics of one service; `reply_patterns` are the reply topics that requests may name."""

    purchases: str
    catalog: str
    requests: str
    replies: str
    models: str
    dead_letters: str
    reply_patterns: tuple[str, ...]

    def all(self) -> tuple[str, ...]:
        """Every topic by name."""
        return (self.purchases, self.catalog, self.requests, self.replies, self.models, self.dead_letters)

    def environment(self) -> dict[str, str]:
        return {
            "ALSOBOUGHT_PURCHASES_TOPIC": self.purchases,
            "ALSOBOUGHT_CATALOG_TOPIC": self.catalog,
            "ALSOBOUGHT_REQUESTS_TOPIC": self.requests,
            "ALSOBOUGHT_REPLIES_TOPIC": self.replies,
            "ALSOBOUGHT_REPLY_TOPICS": json.dumps(self.reply_patterns),
            "ALSOBOUGHT_MODELS_TOPIC": self.models,
            "ALSOBOUGHT_DEAD_LETTERS_TOPIC": self.dead_letters,
        }


class Service:
    """`folder` is its own; `settings` are more ALSOBOUGHT_* variables (their names may leave the prefix out).

    `service.log` in the folder goes on over restarts; `data_dir` is `folder`/data. With a warm parent, each start is
    forked from it and keeps `pace`, a quick one by default; a `cold` service, and each without a warm parent, is
    `python -m serving` itself.
    """

    warm_parent: ClassVar[WarmParent | None] = None
    usually_cold: ClassVar[bool] = False
    program: ClassVar[Sequence[str]] = ("serving", "run")  # the module that a cold start runs, and its arguments

    def __init__(
        self,
        broker: Broker,
        topics: ShopTopics,
        folder: Path,
        *,
        group: str,
        role: str = "both",
        settings: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        cold: bool = False,
    ) -> None:
        self.folder, self.role = folder, role
        self.pace, self.cold = pace, cold
        self.data_dir, self.log = folder / "data", folder / "service.log"
        self.environment = {
            "ALSOBOUGHT_BOOTSTRAP_SERVERS": broker.bootstrap,
            "ALSOBOUGHT_DATA_DIR": str(self.data_dir),
            "ALSOBOUGHT_GROUP_ID": group,
            "ALSOBOUGHT_HTTP_PORT": "0",
            "ALSOBOUGHT_ROLE": role,
            "ALSOBOUGHT_LOG_FORMAT": "json",
            "ALSOBOUGHT_KAFKA_PROPERTIES": json.dumps(_without_bootstrap(broker.consumer_properties)),
            **topics.environment(),
            **{_variable(name): value for name, value in (settings or {}).items()},
        }
        self._process: subprocess.Popen[bytes] | WarmProcess | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | WarmProcess:
        """The process that was started last."""
        assert self._process is not None, "the service was not started"
        return self._process

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return Settings(data_dir=self.data_dir).database

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Start the process and, unless told otherwise, wait until it is ready."""
        assert not self.is_running, f"the service already runs as process {self.process.pid}"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            environment = _clean_environment() | self.environment
            cold = self.cold or (self.usually_cold and self.pace is None)
            parent = None if cold else self.warm_parent
            if parent is not None:
                self._process = parent.start(
                    ["run"], pace=self.pace or QUICK_PACE, environment=environment, folder=self.folder, log=log.fileno()
                )
            else:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", *self.program],
                    env=environment,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        if wait:
            self.wait_ready(timeout_s)
        return self

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Until /ready answers 200; AssertionError with the log's end when it ends before or takes too long."""
        self._wait("ready", self._is_ready, timeout_s)

    def wait_exit(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """The exit code of a service that is to end by itself."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the service still runs after {timeout_s} s. Its log ends:\n{self.log_tail()}"
            ) from None

    def run_for(self, seconds: float) -> None:
        """Let it run for a while; AssertionError with the log's end when it ends by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(seconds)
            raise AssertionError(f"the service ended with {code}. Its log ends:\n{self.log_tail()}")

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM; the exit code. AssertionError when it has not ended in time."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(timeout_s)

    def kill(self) -> None:
        """SIGKILL to the process, then to what it started, the trainer among them. Nothing where nothing runs."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        left = self.children()
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(left, timeout=STOP_TIMEOUT_S)

    def children(self) -> list[psutil.Process]:
        """The processes it has started that run now, the trainer among them, also after its own end."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
                # They share the session that the service leads; an orphan has another parent by now.
                if os.getsid(process.pid) == self.process.pid != process.pid:
                    found.append(process)
        return found

    def trainer(self) -> psutil.Process | None:
        """The learning process; None while there is none."""
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                if "--multiprocessing-fork" in child.cmdline():
                    return child
        return None

    def url(self) -> str:
        """Where it listens ("http://127.0.0.1:port"), once <data_dir>/run.json of this very process says so."""
        self._wait("listening", lambda: self._announced() is not None, READY_TIMEOUT_S)
        announced = self._announced()
        assert announced is not None
        return announced

    def get(self, path: str) -> tuple[int, str]:
        """(status, body) of a GET, with the token where it has one."""
        token = self.environment.get("ALSOBOUGHT_HTTP_TOKEN")
        where = urlsplit(self.url())
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=HTTP_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics: `name` or `name{label="value",...}`, labels in alphabetical order -> value."""
        _, text = self.get("/metrics")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {_sample_name(sample.name, sample.labels): sample.value for sample in samples}

    def metric(self, name: str) -> float:
        """One of `metrics`, or the sum over its labels when `name` has none; 0 when there is no such sample."""
        found = self.metrics()
        return found.get(name, sum(value for known, value in found.items() if known.startswith(name + "{")))

    def log_lines(self) -> list[dict[str, Any]]:
        """What it logged as JSON, over all its starts; other lines are left out."""
        lines = []
        for line in self._text().splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict)]

    def log_tail(self, lines: int = 60) -> str:
        return "\n".join(self._text().splitlines()[-lines:])

    def _text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _announced(self) -> str | None:
        """None before this process has written run.json: the file of a killed one may still lie there."""
        try:
            run = json.loads((self.data_dir / "run.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return run["http"] if run["pid"] == self.process.pid else None

    def _is_ready(self) -> bool:
        if self._announced() is None:
            return False
        try:
            return self.get("/ready")[0] == http.HTTPStatus.OK
        except OSError:  # it may just be ending, which the caller notices
            return False

    def _wait(self, what: str, holds: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            code = self.process.poll()
            ended = f"it ended with exit code {code}" if code is not None else None
            if ended or time.monotonic() > deadline:
                why = ended or f"not within {timeout_s} s"
                raise AssertionError(f"the service is not {what}: {why}. Its log ends:\n{self.log_tail()}")
            time.sleep(0.05)


def run_command(service: Service, *arguments: str) -> tuple[int, str]:
    """(exit code, what it printed) of another `alsobought` command with the settings of this service."""
    done = subprocess.run(
        [sys.executable, "-m", "serving", *arguments],
        env=_clean_environment() | service.environment,
        cwd=service.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout


def _clean_environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ALSOBOUGHT_")}
    return ours | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _without_bootstrap(properties: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in properties.items() if name != "bootstrap.servers"}


def _variable(name: str) -> str:
    return name if name.startswith("ALSOBOUGHT_") else f"ALSOBOUGHT_{name.upper()}"


def _sample_name(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name
