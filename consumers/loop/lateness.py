"""Whether requests are answered in time: of those of the last seconds, how many were late or dropped.

In: the age of each request when its answer left, and how many were dropped. Out: a sentence for readiness.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

_WINDOW_S = 5.0


class _Batch(NamedTuple):
    at_s: float  # monotonic
    answered: int
    late: int  # or dropped


@dataclass(slots=True)
class Lateness:
    """Written by the loop's thread; `why_late` may be asked by another."""

    limit_s: float
    clock_s: Callable[[], float] = time.monotonic
    _batches: deque[_Batch] = field(default_factory=deque)

    def answered(self, ages_s: list[float]) -> None:
        """Requests were answered so many seconds after they were sent."""
        self._note(len(ages_s), len([age for age in ages_s if age > self.limit_s]))

    def dropped(self, count: int) -> None:
        """So many requests were dropped, since nobody waits for them any more."""
        if count:
            self._note(count, count)

    def _note(self, count: int, late: int) -> None:
        now_s = self.clock_s()
        self._batches.append(_Batch(now_s, count, late))
        while self._batches[0].at_s < now_s - _WINDOW_S:
            self._batches.popleft()

    def why_late(self) -> str:
        """What is wrong, "" when at least half of the requests of the last seconds were answered in time."""
        since_s = self.clock_s() - _WINDOW_S
        batches = [batch for batch in tuple(self._batches) if batch.at_s >= since_s]
        count, late = sum(batch.answered for batch in batches), sum(batch.late for batch in batches)
        if 2 * late <= count:
            return ""
        return (
            f"answers are late: {late} of {count} requests of the last {_WINDOW_S:g} s were dropped, or answered later "
            f"than {self.limit_s:g} s after they were sent (late_answer_s); too many come, or a clock is wrong"
        )
