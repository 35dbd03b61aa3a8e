"""What every benchmark says about itself, and where it runs.

`introduce` prints the question, the machine, the versions and the size of the data, `table` rows of text. `java_broker`
runs the official broker.
"""

import contextlib
import os
import platform
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import confluent_kafka
import psutil

from tests.kafka.brokers.jars import KAFKA_VERSION
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.support.service import Service

ROOT = Path(__file__).parents[2]
_PACKAGES = ("numpy", "msgspec", "faiss-cpu", "gensim")
_BUSY = 0.5  # processors that others use: from here on absolute figures mean little


def introduce(question: str, **sizes: object) -> None:
    """Print the question and all that a figure depends on."""
    versions = [f"{name} {metadata.version(name)}" for name in _PACKAGES]
    busy = psutil.cpu_percent(interval=1.0) / 100 * (psutil.cpu_count() or 1)
    print(question)
    print(
        f"  when      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {busy:.1f} processors were busy before it began", end=""
    )
    print(": NOISY, others were at work" if busy >= _BUSY else "")
    print(
        f"  machine   {_processor()}, {psutil.cpu_count()} processors, {psutil.virtual_memory().total / 2**30:.0f} GiB"
    )
    print(f"  software  Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {', '.join(versions)},")
    print(f"            confluent-kafka {metadata.version('confluent-kafka')}, "
          f"librdkafka {confluent_kafka.libversion()[0]}, Apache Kafka {KAFKA_VERSION}")  # fmt: skip
    data = [f"{size:,} {name}" if isinstance(size, int) else f"{name} {size}" for name, size in sizes.items()]
    print(f"  data      {', '.join(data).replace('_', ' ')}", flush=True)


def _processor() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def number(value: float) -> str:
    """Three or four digits that count."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading, the columns as wide as they need."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    print()
    for row in (heading, ["-" * width for width in widths], *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(flush=True)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="alsobought-bench-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def java_broker(folder: Path) -> Iterator[JavaBroker]:
    """The official broker on a free port, its log in the folder."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # what was started must end, too
    with JavaBroker(folder / "kafka") as broker:
        yield broker


def real_data() -> Path | None:
    """The folder that ALSOBOUGHT_DATA names, else ../shared/data where it is there, else None."""
    named = os.environ.get("ALSOBOUGHT_DATA")
    if named and not Path(named).is_dir():
        sys.exit(f"ALSOBOUGHT_DATA={named} is no folder: name the one that holds online_retail, or unset it")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if (folder / "online_retail").is_dir() else None


def until(service: Service, holds: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Wait for something that the service is to do, looking ten times a second. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline or not service.is_running:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}. The service's log ends:\n{service.log_tail(20)}")
        time.sleep(0.1)
