"""A clock that jumps, for a service as a process: libfaketime, loaded before it. Monotonic clocks go on as they are."""

import time
from pathlib import Path

import pytest

from tests.kafka.brokers.fleet import MISSING

_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/local/lib/faketime/libfaketime.so.1")


class Clock:
    """`file` holds how far the clock is off; whoever was started with `environment` follows it within a call."""

    def __init__(self, file: Path) -> None:
        """Skip the test, and say so at the end of the run, where the library is missing."""
        found = [path for pattern in _LIBRARIES for path in sorted(Path("/").glob(pattern.lstrip("/")))]
        if not found:
            MISSING["jumping clock"] = "install libfaketime (Debian: apt-get install libfaketime)"
            pytest.skip(MISSING["jumping clock"])
        self._file = file
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset_s: int) -> None:
        """The clock is off by so many seconds from now on."""
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{offset_s:+d}s\n")
        aside.rename(self._file)
        time.sleep(0.1)
