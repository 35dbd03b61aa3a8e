"""Histories cut in two: what a model may learn from, and what the same customers bought afterwards.

Cut in time (the last days of all customers) or by order (the last one of each customer); window 0 is the newest, window
1 the one before it, and what is newer than a window is never seen by its split. Nothing here is random.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import (
    DAY_S,
    Histories,
    customer_of_line,
    distinct,
    lines_where,
    order_ranks,
)
from model.signals.demand import ENOUGH_LINES, now_of

_USUAL_PART = 0.1  # of the lines that a window usually has: with fewer it says nothing


@dataclass(frozen=True, slots=True)
class Truth:
    """What tested customers bought in the window: each product once, ascending by number."""

    customers: NDArray[np.int64]  # (n,) positions in the train histories' `customers`, ascending
    starts: NDArray[np.int64]  # (n + 1,) tested customer i owns products[starts[i]:starts[i + 1]]
    products: NDArray[np.int64]  # (n_pairs,) product numbers, those that the train histories do not know among them

    def sizes(self) -> NDArray[np.int64]:
        """int64 (n,), at least 1 each."""
        return np.diff(self.starts)

    def where(self, chosen: NDArray[np.bool_]) -> "Truth":
        """Some of the tested customers, those marked."""
        sizes = self.sizes()
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes[chosen])))
        return Truth(self.customers[chosen], starts, self.products[np.repeat(chosen, sizes)])


@dataclass(frozen=True, slots=True)
class Split:
    """What may be learnt from, and what came then."""

    train: Histories
    truth: Truth
    unknown_customers: int  # with purchases in the window and none before it: nobody can be personal with them


@dataclass(frozen=True, slots=True)
class Cut:
    """How histories are cut: into windows of so many days, or by each customer's orders when `days` is None."""

    days: float | None = 30.0
    repeat: bool = False  # test all that was bought, not only what the customer had never bought before

    def windows(self, histories: Histories, first: int, count: int) -> list[Split]:
        """The splits of windows first, first + 1, ... (0 = newest) that have anybody to test."""
        splits = [split(histories, self, window) for window in range(first, first + count)]
        return [one for one in splits if len(one.truth.customers)]


def split(histories: Histories, cut: Cut, window: int = 0) -> Split:
    """Cut at the given window: it is the truth, what is older is to be learnt from."""
    if cut.days is None:
        ranks = order_ranks(histories)
        older, inside = ranks > window, ranks == window
    else:
        ends = newest_end(histories.times, cut.days) - round(window * cut.days * DAY_S)
        begins = ends - round(cut.days * DAY_S)
        return between(histories, begins, ends, repeat=cut.repeat)
    return _split(histories, older, inside, repeat=cut.repeat)


def newest_end(times: NDArray[np.integer], days: float) -> int:
    """Where the newest window of so many days ends, seconds since 1970: at the newest purchase, unless it is alone.

    With less than a tenth of a usual window's lines (a lone order long after all others, a wrong clock), and fewer than
    `demand.ENOUGH_LINES`, it ends with the newest day on or after which there are so many.
    """
    newest = int(times.max(initial=0))
    back = ((newest - times.astype(np.int64)) / (days * DAY_S)).astype(np.int64)  # windows before the newest purchase
    usual = len(times) / max(len(np.unique(back)), 1)
    enough = min(max(round(_USUAL_PART * usual), 1), ENOUGH_LINES)
    return newest if np.count_nonzero(back == 0) >= enough else now_of(times, enough)


def between(histories: Histories, begins_s: int, ends_s: int, *, repeat: bool = False) -> Split:
    """Learn from what was bought until `begins_s`, test on what came then until `ends_s`."""
    times = histories.times
    return _split(histories, times <= begins_s, (times > begins_s) & (times <= ends_s), repeat=repeat)


def sampled(truth: Truth, most: int, seed: int) -> Truth:
    """At most so many of the tested customers, drawn at random."""
    if len(truth.customers) <= most:
        return truth
    chosen = np.zeros(len(truth.customers), bool)
    chosen[np.random.default_rng(seed).choice(len(chosen), most, replace=False)] = True
    return truth.where(chosen)


def split_at(histories: Histories, later: NDArray[np.bool_], *, repeat: bool = False) -> Split:
    """Learn from the lines that are not marked `later`, test on those that are."""
    return _split(histories, ~later, later, repeat=repeat)


def _split(histories: Histories, older: NDArray[np.bool_], inside: NDArray[np.bool_], *, repeat: bool) -> Split:
    train, later = lines_where(histories, older), distinct(lines_where(histories, inside))
    later_customers = histories.customers[np.unique(customer_of_line(histories)[inside])]
    position = np.searchsorted(train.customers, later_customers)
    known = np.isin(later_customers, train.customers)
    owner = np.repeat(np.arange(len(later_customers)), np.diff(later.starts))
    kept = known[owner]
    if not repeat:
        before = distinct(train)
        before_owner = np.repeat(np.arange(len(train.customers)), np.diff(before.starts))
        kept &= ~np.isin(_pairs(position[owner], later.products), _pairs(before_owner, before.products))
    sizes = np.bincount(owner[kept], minlength=len(later_customers))
    tested = sizes > 0
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes[tested])))
    truth = Truth(position[tested].astype(np.int64), starts, later.products[kept].astype(np.int64))
    return Split(train, truth, int(np.count_nonzero(~known)))


def _pairs(positions: NDArray[np.integer], products: NDArray[np.integer]) -> NDArray[np.int64]:
    return (positions.astype(np.int64) << 32) | products.astype(np.int64)
