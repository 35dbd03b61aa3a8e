"""How much each product sells: order lines ever and order lines in the last days, kept fresh with every event.

Purchases go in as product numbers and times; out come the two counts and the prior that ranking adds to a product's
score. "Now" is the newest day that stands on `ENOUGH_LINES` order lines, not the clock and not one purchase.
Promise: everything is a function of the purchases alone, whatever the order in which they came.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import DAY_S

_SMOOTHING = 3.0  # order lines on both sides of the trend's ratio, so that rare products stay quiet
_STEP = 0.02  # the shop's overall level is rounded to such steps: between them an event changes few products' priors
ENOUGH_LINES = 100  # order lines near a day that make it "now": a wrong clock or a lone order does not
# Recent order lines, or up to twice as many, that all-time sales count as much as. With a gap of 60 and 20 days before
# the last 1 to 3,000 lines of online_retail and tafeng, 1,600 foretold the best sellers of the next week best.
_PRIOR_LINES = 1000
KEPT_CHANGES = 256  # calls of `add` that `since` can tell of
_USUAL_DAYS = 14
_CHUNK_LINES = 4_000_000  # bounds the memory of a bulk load


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to the counts."""

    products: NDArray[np.integer]  # with another prior, ascending; now and then all of them
    counted: NDArray[np.int64]  # of them, those with other counts
    lowered: bool  # whether products that are not `counted` may have changed places in `sales_order`


def now_of(times: NDArray[np.integer], enough: int = ENOUGH_LINES) -> int:
    """`Demand.now_s` of lines at these times, seconds since 1970; 0 with fewer than `enough` of them."""
    if len(times) < enough:
        return 0
    day = _reached(times.astype(np.int64) // DAY_S, np.zeros(_USUAL_DAYS, np.int64), -1, enough)
    return min(int(times.max()), (day + 1) * DAY_S - 1)


def _reached(later: NDArray[np.int64], lines: NDArray[np.int64], now: int, enough: int) -> int:
    """The day that is now, given the days of all lines after `now` and the lines of each of the days up to it.

    The newest day with lines on or after which there are enough, or in whose window there are; `now` if there is none.
    """
    begins = now - len(lines) + 1
    counts = np.bincount(np.concatenate((later - begins, np.arange(len(lines)))), minlength=len(lines))
    counts[: len(lines)] += lines - 1
    until = np.cumsum(counts)
    inside = until - np.concatenate((np.zeros(len(lines), np.int64), until[: -len(lines)]))
    after = until[-1] - until + counts
    days = np.arange(len(counts)) + begins
    found = days[(counts > 0) & (days > now) & ((inside >= enough) | (after >= enough))]
    return int(found[-1]) if len(found) else now


class Demand:
    """Order lines by product number, in all and in the last `days` whole UTC days up to now, and all after them.

    Now is the newest day with `enough` lines on or after it, or in the `days` days up to it; until there are so many,
    all are recent. A line older than the window when it arrives counts in the total only. Adding costs O(lines), and
    O(products) once for each day that begins.
    """

    def __init__(self, days: int = 14, enough: int = ENOUGH_LINES) -> None:
        """Start with nothing sold. Raises ValueError when `days` or `enough` is below 1."""
        if days < 1 or enough < 1:
            raise ValueError(f"days is {days}, enough is {enough}: give at least 1 for both")
        self.days = days
        self.enough = enough
        self.changes = 0  # calls of `add` so far
        self._reset()

    def _reset(self) -> None:
        """Nothing is sold, and nothing of what was can be told."""
        days = self.days
        self._day = -1  # now, in days since 1970; -1 until there are enough lines
        self._day_lines = np.zeros(days, np.int64)  # in the window, by day % days
        self._newest_s = 0
        self._ahead = np.zeros((2, 0), np.int64)  # day and product of the lines after now
        self._kept: deque[Change] = deque(maxlen=KEPT_CHANGES)
        self._total = np.zeros(1024, np.uint32)
        self._recent = np.zeros(1024, np.uint32)
        self._by_day = np.zeros((days, 1024), np.uint32)  # row = day % days
        self._size = 0  # one more than the highest product number seen
        self._all = np.zeros(0, np.int32)  # see `_all_products`
        self._lines = self._recent_lines = self._sold = 0
        self._log_sum = 0.0  # of log(1 + total) over the products that ever sold
        self._steps: tuple[int, ...] = ()  # the level that `bias` compares with, in whole steps
        self._share = self._mean_log = 0.0

    def forget(self) -> None:
        """Start again with nothing sold; whoever follows by `since` sees that everything has changed."""
        self._reset()
        self.changes += 1

    @property
    def now_s(self) -> int:
        """The newest time of a purchase, not after the day that is now, in seconds since 1970; 0 = too few so far."""
        return min(self._newest_s, (self._day + 1) * DAY_S - 1) if self._day >= 0 else 0

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
            self._newest_s = max(self._newest_s, int(times.max()))
            changed.append(self._begin_days(times))
        bits = self._lines.bit_length()
        lowered = any(len(c) for c in changed)
        for start in range(0, len(products), _CHUNK_LINES):
            chunk = slice(start, start + _CHUNK_LINES)
            changed.append(self._count(products[chunk].astype(np.int64), times[chunk].astype(np.int64)))
        some = [products for products in changed if len(products)]
        counted = some[0] if len(some) == 1 else np.unique(np.concatenate(changed))  # each is ascending
        lowered |= self._lines.bit_length() != bits  # the weight of all-time sales in `sales_order`
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
        is the window's part of all lines. Mean and share are rounded by up to 1 %, so an event changes few products.
        """
        popularity, trend = self.popularity_and_trend(products)
        return (popularity_weight * popularity + trend_weight * trend).astype(np.float32)

    def popularity_and_trend(self, products: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """float64 (n,) both: the two parts of `bias`, each of weight 1."""
        total, recent = self._counts_of(products)
        popularity = np.log1p(total) - self._mean_log
        return popularity, np.log((recent + _SMOOTHING) / (total * self._share + _SMOOTHING))

    def sales_order(self, products: NDArray[np.integer]) -> NDArray[np.uint64]:
        """uint64 (n,): greater for a product that sells better, in proportion to what it may be expected to sell.

        recent + prior * total / all lines, times a power of two: of few recent sales all-time sales make the order.
        """
        total, recent = (counts.astype(np.uint64) for counts in self._counts_of(products))
        return (recent << np.uint64(self._lines.bit_length())) + np.uint64(2 * _PRIOR_LINES) * total

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

    def _begin_days(self, times: NDArray[np.integer]) -> NDArray[np.int64]:
        """Move the window on to where lines at `times` bring it; returns the products whose lines fell out of it."""
        days = times.astype(np.int64) // DAY_S
        ahead = np.concatenate((self._ahead[0], days[days > self._day]))
        last = self._day
        if len(ahead):
            window = np.arange(last - self.days + 1, last + 1)
            inside = days[(days >= window[0]) & (days <= last)] - window[0]
            lines = self._day_lines[window % self.days] + np.bincount(inside, minlength=self.days)
            self._day = _reached(ahead, lines, last, self.enough)
        if self._day == last:
            return np.zeros(0, np.int64)
        begun = range(last + 1, self._day + 1)[-self.days :]
        rows = [day % self.days for day in begun]  # they hold the days that are one window older
        fallen = self._by_day[rows].sum(axis=0, dtype=np.uint32)
        self._by_day[rows] = 0
        self._day_lines[rows] = 0
        reached = self._ahead[0] <= self._day
        (there, products), self._ahead = self._ahead[:, reached], self._ahead[:, ~reached]
        inside = there > self._day - self.days
        np.add.at(self._day_lines, there[inside] % self.days, 1)
        np.add.at(self._by_day, (there[inside] % self.days, products[inside]), np.uint32(1))
        np.add.at(fallen, products[~inside], np.uint32(1))
        self._recent -= fallen
        self._recent_lines -= int(fallen.sum(dtype=np.int64))
        return np.flatnonzero(fallen)

    def _count(self, products: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
        numbers, lines = self._tally(products)
        before = self._total[numbers]
        self._total[numbers] += lines
        self._lines += len(products)
        self._sold += int(np.count_nonzero(before == 0))
        self._log_sum += float(np.sum(np.log1p(self._total[numbers], dtype=float) - np.log1p(before, dtype=float)))
        days = times // DAY_S
        begins = self._day - self.days if self._day >= 0 else -1
        lately, ahead = days > begins, days > self._day
        inside = lately & ~ahead
        places = (days[inside] % self.days) * self._by_day.shape[1] + products[inside]
        np.add.at(self._by_day.reshape(-1), places, np.uint32(1))
        self._day_lines += np.bincount(days[inside] % self.days, minlength=self.days)
        if ahead.any():
            self._ahead = np.concatenate((self._ahead, np.stack((days[ahead], products[ahead]))), axis=1)
        recent, lines = (numbers, lines) if lately.all() else self._tally(products[lately])
        self._recent[recent] += lines
        self._recent_lines += int(np.count_nonzero(lately))
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
        exact = np.log(max(self._recent_lines, 1) / max(self._lines, 1)), self._log_sum / max(self._sold, 1)
        steps = tuple(round(float(level) / _STEP) for level in exact)
        if steps == self._steps:
            return False
        self._steps = steps
        self._share, self._mean_log = float(np.exp(steps[0] * _STEP)), steps[1] * _STEP
        return True
