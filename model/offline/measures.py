"""How good are lists of recommendations? Measures for every tested customer, their means, and how sure these are.

In: the products shown to each tested customer and what was bought (`splits.Truth`). Out: hit rate, recall, NDCG and MRR
at k, the part of the catalogue shown and how popular it is. Comparisons are paired by customer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.offline.splits import Truth

MEASURES = ("hit_rate", "recall", "ndcg", "mrr")
_NORMAL_95 = 1.959964  # two-sided 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's lists, judged customer by customer: float64 (n_customers,) each, 0..1."""

    hit_rate: NDArray[np.float64]  # 1 where something of the list was bought
    recall: NDArray[np.float64]  # the part of what was bought that the list held
    ndcg: NDArray[np.float64]  # against the best list possible for this customer
    mrr: NDArray[np.float64]  # 1 / place of the first hit, 0 without one
    coverage: float  # the part of the catalogue that is in any list
    popularity: float  # mean percentile, 0..1, of what is shown among the catalogue's products by order lines

    def mean(self, measure: str) -> float:
        """The mean over customers of one of MEASURES."""
        values: NDArray[np.float64] = getattr(self, measure)
        return float(values.mean()) if len(values) else 0.0

    def means(self) -> dict[str, float]:
        """All six numbers of a table's row."""
        return {name: self.mean(name) for name in MEASURES} | {
            "coverage": self.coverage,
            "popularity": self.popularity,
        }


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over customers and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def measure(shown: NDArray[np.integer], truth: Truth, sold: NDArray[np.integer]) -> Measured:
    """Judge `shown` (n_customers, k), product numbers best first, negative where a list is shorter.

    `sold`: order lines by product number in what was learnt from; products with any are the catalogue. A product that
    was bought and could not be known counts as a miss.
    """
    hits = hits_of(shown, truth)
    sizes = truth.sizes()
    discounts = 1.0 / np.log2(np.arange(shown.shape[1]) + 2)
    best = np.concatenate((np.zeros(1), np.cumsum(discounts)))[np.minimum(sizes, shown.shape[1])]
    hit = hits.any(axis=1)
    first = np.where(hit, hits.argmax(axis=1), 0) if hits.shape[1] else np.zeros(len(hits))
    return Measured(
        hit_rate=hit.astype(float),
        recall=hits.sum(axis=1) / sizes,
        ndcg=(hits @ discounts) / best,
        mrr=hit / (first + 1.0),
        coverage=_coverage(shown, sold),
        popularity=_popularity(shown, sold),
    )


def hits_of(shown: NDArray[np.integer], truth: Truth) -> NDArray[np.bool_]:
    """Bool, the shape of `shown`: which of the products shown to each tested customer were bought."""
    bought = (np.repeat(np.arange(len(truth.customers)), truth.sizes()) << 32) | truth.products
    asked = (np.arange(len(shown))[:, None] << 32) | np.maximum(shown, 0).astype(np.int64)
    return np.asarray(np.isin(asked, bought) & (shown >= 0))


def interval(values: NDArray[np.float64]) -> Interval:
    """The mean of one value a customer and its 95 % interval by the normal approximation."""
    mean = float(values.mean()) if len(values) else 0.0
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")
    return Interval(mean, mean - _NORMAL_95 * error, mean + _NORMAL_95 * error)


def share_interval(share: float, customers: int) -> Interval:
    """A share of so many customers and its 95 % interval by Wilson's score, which stays inside 0..1."""
    z2 = _NORMAL_95**2
    centre = (share + z2 / (2 * customers)) / (1 + z2 / customers)
    half = _NORMAL_95 / (1 + z2 / customers) * np.sqrt(share * (1 - share) / customers + z2 / (4 * customers**2))
    return Interval(share, max(float(centre - half), 0.0), min(float(centre + half), 1.0))


def difference(ours: Measured, theirs: Measured, measure: str = "ndcg") -> Interval:
    """How much more of `measure` the first has, paired by customer: both must be judged on the same truth."""
    mine, other = getattr(ours, measure), getattr(theirs, measure)
    if len(mine) != len(other):
        raise ValueError(f"{len(mine)} and {len(other)} customers: only the same customers can be compared")
    return interval(mine - other)


def relative_difference(ours: Measured, theirs: Measured, measure: str = "ndcg") -> Interval | None:
    """The difference as a share of theirs, 0.04 = 4 % more; None where theirs is 0.

    The interval is that of a ratio of paired means, by the delta method: their mean is uncertain, too.
    """
    mine, other = getattr(ours, measure), getattr(theirs, measure)
    if len(mine) != len(other):
        raise ValueError(f"{len(mine)} and {len(other)} customers: only the same customers can be compared")
    if not len(other) or not other.mean():
        return None
    ratio = float(mine.mean() / other.mean())
    found = interval((mine - ratio * other) / float(other.mean()))
    return Interval(ratio - 1, ratio - 1 + found.low, ratio - 1 + found.high)


def joined(runs: Sequence[Measured]) -> Measured:
    """One model in several windows, customers end to end; coverage and popularity are means over the windows."""
    ends = {name: np.concatenate([getattr(run, name) for run in runs]) for name in MEASURES}
    coverage, popularity = (float(np.mean([getattr(run, name) for run in runs])) for name in ("coverage", "popularity"))
    return Measured(**ends, coverage=coverage, popularity=popularity)


def medians(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """The median of each number over several runs, say seeds."""
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


def averaged(runs: list[Measured]) -> Measured:
    """The mean of each customer's values over several runs on the same truth: what a typical run gives the customer."""
    stacked = {name: np.mean([getattr(run, name) for run in runs], axis=0) for name in MEASURES}
    return Measured(
        **stacked,
        coverage=float(np.median([run.coverage for run in runs])),
        popularity=float(np.median([run.popularity for run in runs])),
    )


def _coverage(shown: NDArray[np.integer], sold: NDArray[np.integer]) -> float:
    return len(np.unique(shown[shown >= 0])) / max(int(np.count_nonzero(sold)), 1)


def _popularity(shown: NDArray[np.integer], sold: NDArray[np.integer]) -> float:
    catalogue = np.sort(sold[sold > 0])
    lines = sold[shown[shown >= 0]]
    if not len(lines) or not len(catalogue):
        return 0.0
    below, up_to = np.searchsorted(catalogue, lines, "left"), np.searchsorted(catalogue, lines, "right")
    return float(np.mean((below + up_to) / 2) / len(catalogue))
