"""One bar over all steps of long work, with the time that is left.

In: the names of the steps in their order, with how long each takes beside the others, and how far each is. Out: one
share of the whole. Promise: the share never goes back.
"""

import time
from collections.abc import Callable, Mapping

from serving.reports.progress import ProgressDisplay

_LEAST_SHARE = 0.02  # done before what is left is told: a guess from less is worth nothing
_MINUTE_S, _HOUR_S = 60, 3600


class WholeProgress:
    """Shows many steps as one piece of work."""

    def __init__(
        self,
        display: ProgressDisplay,
        title: str,
        steps: Mapping[str, float],
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`steps`: each step's name and weight, above 0, in the order in which they are done."""
        self._display, self._title, self._clock_s = display, title, clock_s
        self._steps = dict(steps)
        self._before: dict[str, float] = {}
        whole = 0.0
        for name, weight in steps.items():
            self._before[name] = whole
            whole += weight
        self._whole = whole or 1.0
        self._share, self._started_s = 0.0, clock_s()

    def show(self, what: str, done: float) -> None:
        """A share of 0..1 of one step is done, and so are all before it; a step that was not named moves nothing."""
        if what in self._steps:
            share = (self._before[what] + self._steps[what] * min(max(done, 0.0), 1.0)) / self._whole
            self._share = max(self._share, share)
        self._display.show(self._title, self._share, f"{what}{self._left()}" if self._share < 1 else "")

    def _left(self) -> str:
        if self._share < _LEAST_SHARE:
            return ""
        passed_s = self._clock_s() - self._started_s
        return f", {spoken(passed_s * (1 - self._share) / self._share)} left"


def spoken(seconds: float) -> str:
    """About how long, in words: 40 s, 3 min, 2.5 h."""
    if seconds < _MINUTE_S:
        return f"{max(seconds, 1):.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
