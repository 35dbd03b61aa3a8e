"""How much each product sells: order lines ever and order lines in the last days, kept fresh with every event.

Purchases go in as product numbers and times; out come the two counts and the prior that ranking adds to a product's
score. "Now" is the newest purchase time seen, so a replayed history gives the counts of a live one.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import DAY_S

_SMOOTHING = 3.0  # order lines on both sides of the trend's ratio, so that rare products stay quiet
_TOLERANCE = 0.01  # how far the shop's overall level may move before every product's prior is worked out again
KEPT_CHANGES = 256  # calls of `add` that `since` can tell of
_CHUNK_LINES = 4_000_000  # bounds the memory of a bulk load


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to the counts."""

    products: NDArray[np.integer]  # with another prior, ascending; now and then all of them
    counted: NDArray[np.int64]  # of them, those with other counts
    lowered: bool  # whether any count went down


class Demand:
    """Order lines by product number, in all and in the last `days` whole UTC days, today among them.

    A line older than the window when it arrives counts in the total only. Adding costs O(lines), and O(products) once
    for each day that begins.
    """

    def __init__(self, days: int = 14) -> None:
        """Start with nothing sold. Raises ValueError when `days` is below 1."""
        if days < 1:
            raise ValueError(f"days is {days}: give at least 1")
        self.days = days
        self.now_s = 0  # the newest purchase time seen, seconds since 1970
        self.changes = 0  # calls of `add` so far
        self._kept: deque[Change] = deque(maxlen=KEPT_CHANGES)
        self._total = np.zeros(1024, np.uint32)
        self._recent = np.zeros(1024, np.uint32)
        self._by_day = np.zeros((days, 1024), np.uint32)  # row = day % days
        self._size = 0  # one more than the highest product number seen
        self._all = np.zeros(0, np.int32)  # see `_all_products`
        self._lines = self._recent_lines = self._sold = 0
        self._log_sum = 0.0  # of log(1 + total) over the products that ever sold
        self._share = self._mean_log = 0.0  # the level that `bias` compares with

    def forget(self) -> None:
        """Start again with nothing sold; whoever follows by `since` sees that everything has changed."""
        changes = self.changes
        self.__init__(self.days)  # type: ignore[misc]  # the one place that says what nothing is
        self.changes = changes + 1

    @property
    def total(self) -> NDArray[np.uint32]:
        """uint32, indexed by product number: order lines ever. A view: copy it to keep it."""
        return self._total[: self._size]

    @property
    def recent(self) -> NDArray[np.uint32]:
        """uint32, indexed by product number: order lines of the last `days` days. A view: copy it to keep it."""
        return self._recent[: self._size]

    def add(self, products: NDArray[np.integer], times: NDArray[np.integer]) -> NDArray[np.integer]:
        """Count order lines, in any order; returns the product numbers whose `bias` has changed, ascending.

        Those are the products bought, those whose old lines fell out of the window, and now and then all of them.
        """
        self.changes += 1
        changed = [np.zeros(0, np.int64)]
        if len(products):
            self._grow(int(products.max()) + 1)
            changed.append(self._begin_days_until(int(times.max())))
        lowered = any(len(c) for c in changed)
        for start in range(0, len(products), _CHUNK_LINES):
            chunk = slice(start, start + _CHUNK_LINES)
            changed.append(self._count(products[chunk].astype(np.int64), times[chunk].astype(np.int64)))
        counted = np.unique(np.concatenate(changed))
        self._kept.append(Change(self._all_products() if self._level_has_moved() else counted, counted, lowered))
        return self._kept[-1].products

    def since(self, change: int) -> Change | None:
        """All that happened after the `change`-th call of `add`; None when that is too long ago to tell."""
        missed = self.changes - change
        if missed > len(self._kept):
            return None
        if missed == 1:  # as it is: whoever follows each `add`, and that may be many, pays nothing
            return self._kept[-1]
        kept = [self._kept[-back] for back in range(1, missed + 1)]
        none = np.zeros(0, np.int64)
        counted = np.unique(np.concatenate([none, *(c.counted for c in kept)]))
        if any(len(c.products) == self._size for c in kept):
            products = self._all_products()
        else:
            products = np.unique(np.concatenate([none, *(c.products for c in kept)]))
        return Change(products, counted, any(c.lowered for c in kept))

    def bias(self, products: NDArray[np.integer], popularity_weight: float, trend_weight: float) -> NDArray[np.float32]:
        """float32 (n,): what popularity and trend add to each product's log-score; an unknown product never sold.

        popularity_weight * (log(1 + total) - mean) + trend_weight * log((recent + 3) / (total * share + 3)); share
        is the window's part of all lines. Mean and share may lag by 1 %, so an event changes few products only.
        """
        total, recent = self._counts_of(products)
        popularity = np.log1p(total) - self._mean_log
        trend = np.log((recent + _SMOOTHING) / (total * self._share + _SMOOTHING))
        return (popularity_weight * popularity + trend_weight * trend).astype(np.float32)

    def sales_order(self, products: NDArray[np.integer]) -> NDArray[np.uint64]:
        """uint64 (n,): greater for a product that sells better, by recent lines, then by lines ever."""
        total, recent = self._counts_of(products)
        return (recent.astype(np.uint64) << np.uint64(32)) | total.astype(np.uint64)

    def _all_products(self) -> NDArray[np.int32]:
        """One array for all changes that are kept, as long as there are no more products."""
        if len(self._all) != self._size:
            self._all = np.arange(self._size, dtype=np.int32)
        return self._all

    def _counts_of(self, products: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        numbers = np.asarray(products, np.int64)
        known = np.where(numbers < self._size, numbers, 0)  # number 0 is no product: it never sells
        return self._total[known].astype(np.float64), self._recent[known].astype(np.float64)

    def _grow(self, size: int) -> None:
        self._size = max(self._size, size)
        more = max(size, len(self._total) * 3 // 2) - len(self._total)
        if size > len(self._total):
            self._total = np.pad(self._total, (0, more))
            self._recent = np.pad(self._recent, (0, more))
            self._by_day = np.pad(self._by_day, ((0, 0), (0, more)))

    def _begin_days_until(self, now_s: int) -> NDArray[np.int64]:
        """Move the window on to `now_s`; returns the products whose lines fell out of it."""
        last = self.now_s // DAY_S
        self.now_s = max(self.now_s, now_s)
        begun = range(last + 1, self.now_s // DAY_S + 1)[-self.days :]
        if not begun:
            return np.zeros(0, np.int64)
        rows = [day % self.days for day in begun]  # they hold the days that are one window older
        fallen = self._by_day[rows].sum(axis=0, dtype=np.uint32)
        self._recent -= fallen
        self._recent_lines -= int(fallen.sum(dtype=np.int64))
        self._by_day[rows] = 0
        return np.flatnonzero(fallen)

    def _count(self, products: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
        numbers, lines = self._tally(products)
        before = self._total[numbers]
        self._total[numbers] += lines
        self._lines += len(products)
        self._sold += int(np.count_nonzero(before == 0))
        self._log_sum += float(np.sum(np.log1p(self._total[numbers], dtype=float) - np.log1p(before, dtype=float)))
        days = times // DAY_S
        inside = days > self.now_s // DAY_S - self.days
        places = (days[inside] % self.days) * self._by_day.shape[1] + products[inside]
        np.add.at(self._by_day.reshape(-1), places, np.uint32(1))
        recent, lines = self._tally(products[inside])
        self._recent[recent] += lines
        self._recent_lines += len(places)
        return numbers

    def _tally(self, products: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The products that occur, and how often: by counting when that is cheaper than sorting."""
        if len(products) > self._size // 8:
            counts = np.bincount(products)
            numbers = np.flatnonzero(counts)
            return numbers, counts[numbers].astype(np.uint32)
        numbers, counts = np.unique(products, return_counts=True)
        return numbers, counts.astype(np.uint32)

    def _level_has_moved(self) -> bool:
        share = self._recent_lines / max(self._lines, 1)
        mean_log = self._log_sum / max(self._sold, 1)
        if abs(share - self._share) <= _TOLERANCE * self._share and abs(mean_log - self._mean_log) <= _TOLERANCE:
            return False
        self._share, self._mean_log = share, mean_log
        return True
