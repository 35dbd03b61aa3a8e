"""What a micro-batch measures, for the price of little: many observations of a histogram at once, and stage timers.

prometheus_client has no such calls. What stands here is its `Histogram.observe`, and a test holds the two to the same
result.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from types import TracebackType

from prometheus_client import Histogram


def observe_all(histogram: Histogram, amounts: Sequence[float]) -> None:
    """As `histogram.observe` for each amount; none of them may be NaN."""
    if len(amounts) == 1:
        observe_one(histogram, amounts[0])
    if len(amounts) <= 1:
        return
    histogram._sum.inc(sum(amounts))  # noqa: SLF001 - it has no other door
    bounds = histogram._upper_bounds  # noqa: SLF001
    for bucket, count in Counter([bisect_left(bounds, amount) for amount in amounts]).items():
        histogram._buckets[bucket].inc(count)  # noqa: SLF001


def observe_one(histogram: Histogram, amount: float) -> None:
    """As `histogram.observe`; the bucket is found by bisection. `amount` may not be NaN."""
    histogram._sum.inc(amount)  # noqa: SLF001
    histogram._buckets[bisect_left(histogram._upper_bounds, amount)].inc(1)  # noqa: SLF001


class StageTimer:
    """Measures the block it is entered for, one after the other and never two at once: one object serves a stage."""

    __slots__ = ("_began_s", "_histogram")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._began_s = 0.0

    def __enter__(self) -> None:
        """The block begins."""
        self._began_s = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None
    ) -> None:
        """The block ends, however."""
        observe_one(self._histogram, perf_counter() - self._began_s)
