"""Live accuracy, the pure part: what may be compared, how early an answer named what was bought, recent means.

Test, then train: a customer's answer is compared with the purchase before the purchase is counted. A customer's second
order in one batch would be compared without the first, so only the first is a candidate.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from model.purchases.changes import LogRecord, Purchase

BY = ("model", "popularity")  # whose answers are compared, in the order of every pair of ranks


class Allowance:
    """How many purchases may be compared: `per_s` a second, saved up for one second at most.

    A batch that is larger than a second's worth is compared once a second and not bit by bit: comparing many together
    is several times cheaper.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(per_s, 1.0)
        self._saved = self._most
        self._at_s: float | None = None

    def left(self, wanted: int, now_s: float) -> int:
        """How many of `wanted` purchases may be compared now; tell `spend` how many were. `now_s` is monotonic."""
        passed_s = 0.0 if self._at_s is None else now_s - self._at_s
        self._saved, self._at_s = min(self._saved + passed_s * self._per_s, self._most), now_s
        if self._saved < min(wanted, self._most):
            return 0
        return min(wanted, int(self._saved))

    def spend(self, compared: int) -> None:
        """So many were compared, no more than were `left`."""
        self._saved -= compared


def candidates(records: Sequence[LogRecord], is_news: Callable[[Purchase, int, int], bool]) -> list[Purchase]:
    """Of each customer in a batch the first record, where it is a purchase that is news.

    `is_news` is asked with the purchase, its partition and its offset.
    """
    first: dict[str, LogRecord] = {}
    for record in records:
        if record.change is not None:
            first.setdefault(record.change.profile, record)
    return [
        record.change
        for record in first.values()
        if isinstance(record.change, Purchase) and is_news(record.change, record.partition, record.offset)
    ]


def reciprocal_rank(shown: Sequence[int], bought: Collection[int]) -> float:
    """1 / the place of the first product shown that was bought, the first place being 1; 0 when none was shown."""
    return next((1 / place for place, number in enumerate(shown, 1) if number in bought), 0.0)


class LastCompared:
    """The reciprocal ranks of the last `size` compared purchases, a column for each of `BY`."""

    def __init__(self, size: int) -> None:
        self._ranks = np.zeros((size, len(BY)))
        self._count = 0

    def add(self, ranks: Sequence[float]) -> None:
        """Take up one purchase; the oldest makes room."""
        self._ranks[self._count % len(self._ranks)] = ranks
        self._count += 1

    def hit_rates(self) -> NDArray[np.float64]:
        """float64 (2,), 0..1: the share of purchases with a product that was shown; NaN before the first."""
        return self._mean(self._ranks > 0)

    def mean_reciprocal_ranks(self) -> NDArray[np.float64]:
        """float64 (2,), 0..1; NaN before the first."""
        return self._mean(self._ranks)

    def _mean(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        kept = min(self._count, len(values))
        return values[:kept].mean(axis=0, dtype=np.float64) if kept else np.full(len(BY), np.nan)
