"""The log of a training while it goes on: that it began, how far each part of it is, and when that will be done.

In: what the trainer tells, several times a second. Out: a line at the start and one every ten seconds at most.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)
_EVERY_S = 10.0
_LEAST_SHARE = 0.05  # from less than this nothing can be foretold


@dataclass(slots=True)
class TrainingLog:
    """Of one trainer; `clock_s` is monotonic."""

    clock_s: Callable[[], float] = time.monotonic
    _part: str = ""  # of the training that runs now, "" while none does
    _part_since_s: float = 0.0
    _said_at_s: float = 0.0
    _began_s: float = 0.0

    def heard(self, part: str, done: float, brand: str | None = None) -> None:
        """So much of a part of the training is done, 0..1; the part "" says that it has ended."""
        now_s = self.clock_s()
        if part and not self._part:
            self._began_s = self._said_at_s = now_s
            log.info("training_started", brand=brand)
        if part != self._part:
            self._part, self._part_since_s = part, now_s
        if part and now_s - self._said_at_s >= _EVERY_S:
            self._said_at_s = now_s
            self._say(done, now_s)

    def _say(self, done: float, now_s: float) -> None:
        left_s = None
        if done >= _LEAST_SHARE:
            left_s = round((now_s - self._part_since_s) * (1 - min(done, 1.0)) / done, 1)
        ends = None if left_s is None else (datetime.now(UTC) + timedelta(seconds=left_s)).isoformat(timespec="seconds")
        log.info(
            "training_progress",
            part=self._part,
            share=round(done, 2),
            left_s=left_s,
            done_at=ends,
            since_s=round(now_s - self._began_s, 1),
        )
