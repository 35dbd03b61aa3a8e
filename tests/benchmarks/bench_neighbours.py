"""The neighbours of a customer in a large shop: asked for the first time, and again when other customers bought since.

Asked alternately, in batches of 256: one search keeps lists of who was nearest and repairs them, the other compares
with all. Points lie in all directions alike, as those of vectors learnt with the shipped epochs nearly do. Every
purchase gives another customer another point. Bars: asked again after 1,000 purchases costs a third at most; asked for
the first time a seventh more at most.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import DAY_S
from model.ranking.kernel.nearest_search import NearestSearch
from model.ranking.kernel.tables import Lent
from model.signals.neighbours import FirstPurchases, NeighbourParameters, Neighbours
from tests.benchmarks.options import Options
from tests.benchmarks.verdicts import Verdicts

BATCH, DIMENSION, NOW_S = 256, 128, 100 * DAY_S
FIRST = "first time"


class Active:
    """Neighbours, and customers who ask for theirs."""

    def __init__(self, customers: int, asking: int) -> None:
        self.random = np.random.default_rng(1)
        self.neighbours = Neighbours(np.zeros(DIMENSION, np.float32), 1, NeighbourParameters(most=customers))
        self.neighbours.begin(NOW_S)
        self._buy(np.arange(1, customers + 1))
        self.asking = np.arange(1, asking + 1)
        points = self._vectors(asking)
        self.points = points / np.linalg.norm(points, axis=1, keepdims=True)

    def purchases(self, count: int) -> None:
        """So many other customers buy."""
        others = np.arange(len(self.asking) + 1, len(self.neighbours) + 1)
        self._buy(self.random.choice(others, count, replace=False))

    def ask(self, search: NearestSearch) -> float:
        """CPU microseconds an answer."""
        began_s = time.process_time()
        arrays, count = self.neighbours.arrays(), self.neighbours.parameters.nearest + 1
        passed, places = np.zeros(len(arrays.points), np.float32), np.zeros(len(arrays.points), np.int32)
        lent = Lent(places, passed, passed, places)
        for start in range(0, len(self.asking), BATCH):
            batch = slice(start, start + BATCH)
            customers = self.asking[batch]
            own = np.array(self.neighbours.slots_of(customers.tolist()), np.int64)
            slots, weights = np.empty((len(customers), count), np.int32), np.empty((len(customers), count))
            search.find(customers, self.points[batch], own, arrays, count, lent, slots, weights)
        return (time.process_time() - began_s) / len(self.asking) * 1e6

    def _buy(self, customers: NDArray[np.integer]) -> None:
        each = np.arange(len(customers) + 1)
        bought = FirstPurchases(each, np.zeros(len(customers), np.int64), np.full(len(customers), NOW_S))
        self.neighbours.put(customers, self._vectors(len(customers)), bought)

    def _vectors(self, count: int) -> NDArray[np.float32]:
        return self.random.standard_normal((count, DIMENSION), np.float32)


def compared(active: Active, rounds: int, before: Callable[[], NearestSearch]) -> tuple[list[float], list[float]]:
    """Microseconds of all slots and of kept lists, by round; `before` each it says which lists are asked."""
    every = NearestSearch(least_slots=len(active.neighbours) + 1)
    by_all, by_lists = [], []
    for _ in range(rounds):
        kept = before()
        by_all.append(active.ask(every))
        by_lists.append(active.ask(kept))
    return by_all, by_lists


def main() -> None:
    options = Options(__doc__)
    options.size("--customers", 20_000, 5_000, "in the index")
    options.size("--asking", 2_048, 512, "of them")
    options.size("--rounds", 7, 3)
    chosen = options.chosen()
    active, kept = Active(chosen.customers, chosen.asking), NearestSearch()
    for _ in range(2):
        active.ask(kept)  # compiled, and everybody has a list

    def after(purchases: int) -> Callable[[], NearestSearch]:
        def before() -> NearestSearch:
            active.purchases(purchases)
            return kept

        return before

    ratios = {}
    steps = {FIRST: NearestSearch} | {f"again after {n:,} purchases": after(n) for n in (0, 100, 1000)}
    for name, before in steps.items():
        by_all, by_lists = compared(active, chosen.rounds, before)
        ratios[name] = [lists / all_slots for lists, all_slots in zip(by_lists, by_all, strict=True)]
        print(
            f"{name:<28} all {np.median(by_all):6.1f} us, lists {np.median(by_lists):6.1f} us, "
            f"ratio {np.median(ratios[name]):.3f}"
        )
    verdicts = Verdicts.of(chosen)
    verdicts.at_most("neighbours asked for the first time, beside comparing with all", ratios[FIRST], 8 / 7, " x")
    again = list(ratios)[-1]
    verdicts.at_most(f"neighbours asked for {again}, beside comparing with all", ratios[again], 1 / 3, " x")


if __name__ == "__main__":
    main()
