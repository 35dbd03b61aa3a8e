"""What sells best right now, best first: the answer for customers about whom nothing is known.

It follows a `Demand`. While counts go up, the best of now are among the best of before and the products just bought; so
the order is kept fresh by sorting a few thousand numbers and not the catalogue.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from model.signals.demand import KEPT_CHANGES, Demand

_KEPT = 1024

Sellable = Callable[[NDArray[np.int64]], NDArray[np.bool_]]


def everything(products: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The filter that lets every product pass."""
    return np.ones(len(products), bool)


class Bestsellers:
    """The best sellers among the products that `sellable` lets pass (say, those of one brand that are not withdrawn).

    `sellable` is asked with int64 product numbers and answers with a mask of the same length. When it lets pass what it
    refused before, call `renew`; a product that it newly refuses is gone at once.
    """

    def __init__(self, demand: Demand, sellable: Sellable = everything) -> None:
        self._demand = demand
        self._sellable = sellable
        self.renew()

    def renew(self) -> None:
        """Forget the order; the next call works it out from the whole catalogue."""
        self._best = np.zeros(0, np.int64)  # product numbers, best first
        self._wanted = _KEPT
        self._seen: int | None = None  # the demand's `changes` when `_best` was right
        self._complete = False  # `_best` holds all there is
        self._mark = np.zeros(0, bool)  # by product number; all False between calls

    def keep_up(self) -> None:
        """Follow when it is about time: an order that is too old must be worked out from the whole catalogue."""
        if self._seen is None or self._demand.changes - self._seen > KEPT_CHANGES // 2:
            self._follow(0)

    def top(self, count: int, excluded: NDArray[np.integer] | None = None) -> NDArray[np.int64]:
        """int64 (<= count,): product numbers by recent lines, then lines ever, then number; never one of `excluded`.

        Only products that ever sold. Fewer than `count` when there are no more.
        """
        wanted = count + (0 if excluded is None else len(excluded))
        self._follow(wanted)
        best = self._allowed(self._best[:wanted], excluded)
        if len(best) < count:  # some of the best are no longer sellable: look further down
            best = self._allowed(self._best, excluded)
        if len(best) < count and not self._complete:
            self._seen = None
            self._follow(self._wanted)
            best = self._allowed(self._best, excluded)
        return best[:count]

    def _allowed(self, best: NDArray[np.int64], excluded: NDArray[np.integer] | None) -> NDArray[np.int64]:
        best = best[self._sellable(best)]
        if excluded is None or not len(excluded):
            return best
        sold = len(self._demand.total)
        if len(self._mark) < sold:
            self._mark = np.zeros(2 * sold, bool)
        unwanted = excluded[excluded < sold]
        self._mark[unwanted] = True
        best = best[~self._mark[best]]
        self._mark[unwanted] = False
        return best

    def _follow(self, count: int) -> None:
        """Bring `_best` up to date, with at least `count` products where there are so many."""
        if count > self._wanted and not self._complete:
            self._wanted, self._seen = 2 * count, None
        change = None if self._seen is None else self._demand.since(self._seen)
        total = self._demand.total
        if change is None or change.lowered:
            self._complete = True
            self._sort(np.flatnonzero(total))
        elif len(change.counted):
            self._sort(np.union1d(self._best, change.counted[total[change.counted] > 0]))
        self._seen = self._demand.changes

    def _sort(self, candidates: NDArray[np.int64]) -> None:
        candidates = candidates[self._sellable(candidates)]
        sales = self._demand.sales_order(candidates)
        if len(candidates) > self._wanted:
            self._complete = False
            good = sales >= np.partition(sales, -self._wanted)[-self._wanted]
            candidates, sales = candidates[good], sales[good]
        self._best = candidates[np.lexsort((candidates, ~sales))][: self._wanted]
