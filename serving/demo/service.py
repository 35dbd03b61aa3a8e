"""The demo's service: `alsobought run` as a process of its own, seen from outside by its files and its metrics.

It lives exactly as long as the context manager: whatever ends the demo ends it, within seconds.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from config.settings import ENVIRONMENT_PREFIX

_CODE = Path(__file__).parents[2]
_STOP_S = 4.0
_LOG_LINES = 10
_ONE_OUTCOME = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Sums are made in one order, whatever the machine's cores."""


class DemoFailed(Exception):
    """The service beside the demo did not do its part; the text ends with its log."""


@dataclass(frozen=True, slots=True)
class RunningService:
    """The process, and the folder it works in."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    def url(self) -> str | None:
        """Its HTTP address, once it listens."""
        try:
            return str(json.loads((self.folder / "run.json").read_text())["http"])
        except (OSError, ValueError, KeyError):
            return None

    def metrics(self) -> dict[str, float]:
        """What Prometheus would scrape, by series; empty while it does not listen."""
        try:
            with urllib.request.urlopen(f"{self.url()}/metrics", timeout=2) as answer:  # noqa: S310 - our own address
                lines = answer.read().decode().splitlines()
        except (OSError, ValueError):
            return {}
        pairs = (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")
        return {name: float(value) for name, value in pairs}

    def check(self) -> None:
        """Raise `DemoFailed` when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise DemoFailed(f"the service ended with exit code {code}:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The end of its log."""
        return "\n".join((self.folder / "service.log").read_text().splitlines()[-_LOG_LINES:])


@contextmanager
def running_service(
    data_dir: Path, bootstrap: str, properties: Mapping[str, str], settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[RunningService]:
    """`alsobought run` beside us, ended with us. `settings` are more of its own, by their names in the environment."""
    with (data_dir / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", "run"],
            env=_environment(data_dir, bootstrap, properties, settings),
            cwd=data_dir,  # not where an alsobought.toml may lie
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is ours; we pass it on when we are ready
        )
    try:
        yield RunningService(process, data_dir)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(
    data_dir: Path, bootstrap: str, properties: Mapping[str, str], settings: Mapping[str, str]
) -> dict[str, str]:
    """Ours, without the settings of this shell: they are for another service than the demo's."""
    given = {
        "BOOTSTRAP_SERVERS": bootstrap,
        "KAFKA_PROPERTIES": json.dumps(dict(properties)),
        "DATA_DIR": str(data_dir),
        "HTTP_PORT": "0",
        "CREATE_TOPICS": "false",
        **settings,
        "LOG_FORMAT": "console",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    code = os.pathsep.join(filter(None, (str(_CODE), kept.get("PYTHONPATH"))))
    ours = {ENVIRONMENT_PREFIX + name: value for name, value in given.items()}
    return kept | {"PYTHONPATH": code} | _ONE_OUTCOME | ours
