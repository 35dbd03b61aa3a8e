"""The clock by which requests are too late: one that does not follow a jump until the requests themselves agree.

In: the machine's clock, the monotonic one, and when requests that have just been read were sent. Out: seconds since
1970. Promise: neither a clock that is set wrong while the service runs, nor one that is set right, makes requests late
that are not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)
_JUMP_S = 5.0  # less is followed at once


@dataclass(slots=True)
class DeadlineClock:
    """For the loop's thread alone."""

    wall_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    _base_s: float = field(init=False)  # what is added to the monotonic clock
    _jumped_s: float = 0.0  # how far the machine's clock is off from this one, 0 when it is followed
    _seen: bool = False  # whether requests were read since it jumped

    def __post_init__(self) -> None:
        """The machine's clock is believed at the start."""
        self._base_s = self.wall_s() - self.monotonic_s()

    def now_s(self) -> float:
        """Seconds since 1970."""
        monotonic_s = self.monotonic_s()
        off_s = self.wall_s() - monotonic_s - self._base_s
        if abs(off_s) <= _JUMP_S:
            self._base_s += off_s
            self._jumped_s = 0.0
        elif abs(off_s - self._jumped_s) > _JUMP_S:
            self._jumped_s, self._seen = off_s, False
            log.warning(
                "clock_jumped", by_s=round(off_s, 1), action="deadlines go by the clock that requests agree with"
            )
        return monotonic_s + self._base_s

    def sent(self, at_s: float) -> None:
        """A request was read that was sent then, by the clock of whoever sent it, in seconds since 1970."""
        now_s = self.now_s()
        if not self._jumped_s or self._seen:
            return
        self._seen = True
        if abs(now_s + self._jumped_s - at_s) < abs(now_s - at_s):
            self._base_s += self._jumped_s
            self._jumped_s = 0.0
