"""From histories to ranked products: query vectors, exclusions, allow-lists, reasons and the shown score.

Pure functions over a micro-batch of requests. Rows are rows of the model; a score is a log-score without bounds,
scale * u . out[c] + bias[c], where u is the mean of the history's IN vectors, recent orders weighing more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Bought, starts_where

LEAST_WEIGHT = 0.05  # of an order long ago, against 1 for the latest
_SPARE = 32  # neighbours fetched beyond k at first; those bought already are dropped from them
_NARROW = 8  # an allow-list below this part of the catalogue is scored row by row
_LOWEST = np.finfo(np.float32).min
_REASON_HISTORY = 256  # the weightiest products of a history that can be a reason: bounds the cost for great buyers


@dataclass(frozen=True, slots=True)
class Scoring:
    """How much each part of a score weighs, as found by validation."""

    scale: float = 1.0
    popularity_weight: float = 0.5
    recency: float = 0.9  # an order weighs so much of the next newer one
    trend_weight: float = 1.0
    trend_days: int = 14


@dataclass(frozen=True, slots=True)
class Owned:
    """The vocabulary rows that each customer of a micro-batch has bought, and how much each weighs in the query."""

    starts: NDArray[np.int64]  # (n_customers + 1,) customer i owns entries starts[i]:starts[i + 1]
    rows: NDArray[np.int64]  # (n_pairs,)
    weights: NDArray[np.float32]  # (n_pairs,) max(recency ** rank, .05)

    def slices(self) -> list[slice]:
        """Where the entries of each customer are."""
        bounds = self.starts.tolist()
        return [slice(start, stop) for start, stop in pairwise(bounds)]

    def weightiest(self, mine: slice, most: int = _REASON_HISTORY) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and weights of one customer's products, of a long history only the `most` weightiest."""
        rows, weights = self.rows[mine], self.weights[mine]
        if len(rows) <= most:
            return rows, weights
        heavy = np.argpartition(weights, -most)[-most:]
        return rows[heavy], weights[heavy]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer to one request, best first."""

    rows: NDArray[np.int64]  # (<= k,)
    scores: NDArray[np.float32]  # (<= k,) log-scores


class Searchable(Protocol):
    """`ItemIndex` or `SimilarItems`."""

    def __len__(self) -> int:
        """Items to search among."""

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and rows, both (n, min(k, items)), best first."""

    def scores_of(self, query: NDArray[np.float32], rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Exact scores of the given rows."""


def owned(bought: Bought, row_of_product: NDArray[np.integer], recency: float) -> Owned:
    """The products with a row among those bought. `row_of_product`: -1 = none; it may end before the newest product."""
    numbers = bought.products.astype(np.int64)
    inside = numbers < len(row_of_product)
    rows = np.full(len(numbers), -1, np.int64)
    rows[inside] = row_of_product[numbers[inside]]
    known = rows >= 0
    weights = np.maximum(recency ** bought.ranks[known], LEAST_WEIGHT).astype(np.float32)
    return Owned(starts_where(bought.starts, known), rows[known], weights)


def rows_by_number(number_of_row: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64, by product number: its row, -1 = none. Number 0 stands for no product."""
    rows = np.full(int(number_of_row.max(initial=0)) + 1, -1, np.int64)
    rows[number_of_row] = np.arange(len(number_of_row))
    rows[0] = -1
    return rows


def query_vectors(vectors: NDArray[np.float32], history: Owned, scale: float) -> NDArray[np.float32]:
    """float32 (n_customers, dimension): scale times the weighted mean of each history's IN `vectors`, not normalised.

    Zero for an empty history, which then is ranked by popularity and trend alone.
    """
    queries = np.zeros((len(history.starts) - 1, vectors.shape[1]), np.float32)
    for i, mine in enumerate(history.slices()):  # ten times faster than one reduceat: a history fits the cache
        if mine.start < mine.stop:
            weights = history.weights[mine]
            np.dot(weights * (scale / weights.sum()), vectors.take(history.rows[mine], axis=0), out=queries[i])
    return queries


def rank(
    index: Searchable,
    queries: NDArray[np.float32],
    k: Sequence[int],
    excluded: Sequence[NDArray[np.integer]],
    only: Sequence[NDArray[np.integer] | None] | None = None,
) -> list[Ranked]:
    """The `k[i]` best rows for query i, none of `excluded[i]`, and all of `only[i]` where that is given.

    Fewer than asked only when nothing more is allowed; a row whose bias is minus infinity never is. Exact: what is left
    out is replaced by the next best.
    """
    answers = [Ranked(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
    permits = [_Permit(len(index), excluded[i], only[i] if only is not None else None) for i in range(len(queries))]
    for i, permit in enumerate(permits):
        if permit.is_narrow:
            answers[i] = _best_of(index, queries[i], permit.rows(), k[i])
    pending = [i for i, permit in enumerate(permits) if not permit.is_narrow]
    fetch = max((k[i] for i in pending), default=0) + _SPARE
    mark = np.zeros(len(index), bool)  # all False between requests
    while pending:
        scores, rows = index.search(queries[pending], fetch)
        found = np.count_nonzero(scores > _LOWEST, axis=1)  # faiss fills up with row -1 at the lowest score
        short = []
        for place, i in enumerate(pending):
            keep = permits[i].kept(rows[place, : found[place]], mark)[: k[i]]
            answers[i] = Ranked(rows[place, keep], scores[place, keep])
            if len(keep) < k[i] and rows.shape[1] < len(index):
                short.append(i)
        pending, fetch = short, 4 * fetch
    return answers


@dataclass(frozen=True, slots=True)
class _Permit:
    """Which rows one request may be given."""

    items: int  # in the index
    excluded: NDArray[np.integer]
    only: NDArray[np.integer] | None

    @property
    def is_narrow(self) -> bool:
        """So few rows are allowed that scoring these is cheaper than searching and dropping others."""
        return self.only is not None and len(self.only) < self.items / _NARROW

    def rows(self) -> NDArray[np.int64]:
        """The allowed rows, when `only` is given."""
        return np.setdiff1d(np.zeros(0) if self.only is None else self.only, self.excluded).astype(np.int64)

    def kept(self, rows: NDArray[np.int64], mark: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The places in `rows` that are allowed. `mark` is lent: all False, one for each item."""
        if self.only is not None:
            allowed = np.zeros(self.items, bool)
            allowed[self.only] = True
            allowed[self.excluded] = False
            return np.flatnonzero(allowed[rows])
        mark[self.excluded] = True
        places = np.flatnonzero(~mark[rows])
        mark[self.excluded] = False
        return places


def because(
    vectors: NDArray[np.float32],
    outputs_of: Callable[[NDArray[np.integer]], NDArray[np.float32]],
    history: Owned,
    recommended: Sequence[NDArray[np.integer]],
    *,
    average: NDArray[np.float32] | float = 0.0,
    most: int = 2,
) -> list[list[list[int]]]:
    """For each customer and each row recommended, the rows of the history that speak most for it, strongest first.

    A product speaks by weight * in . (out - average), and only if that is positive: when it speaks more for this one
    than for the average product, where `average` is the mean of all OUT vectors. At most `most` are named. Of a long
    history only the 256 weightiest products are asked.
    """
    reasons = Reasons(recommended, most)
    targets = reasons.targets(outputs_of, average)
    for mine, of_mine in zip(history.slices(), targets, strict=True):
        own, weights = history.weightiest(mine)
        reasons.add(shares_of(vectors, of_mine, own, weights), own)
    return reasons.lists()


def shares_of(
    vectors: NDArray[np.float32], targets: NDArray[np.float32], rows: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """float32 (n_targets, n_rows): how much each row of a history speaks for each target vector."""
    shares: NDArray[np.float32] = (targets @ vectors.take(rows, axis=0).T) * weights
    return shares


class Reasons:
    """For each target of each customer the rows with the greatest positive shares, at most `most`, strongest first."""

    def __init__(self, recommended: Sequence[NDArray[np.integer]], most: int) -> None:
        """`recommended`: each customer's targets."""
        self._targets = np.concatenate((np.zeros(0, np.int64), *recommended))
        self._places = [slice(*ends) for ends in pairwise(accumulate(map(len, recommended), initial=0))]
        self._rows = np.full((len(self._targets), most), -1, np.int64)
        self._shares = np.zeros((len(self._targets), most))
        self._used = 0

    def targets(
        self,
        outputs_of: Callable[[NDArray[np.integer]], NDArray[np.float32]],
        average: NDArray[np.float32] | float,
    ) -> list[NDArray[np.float32]]:
        """Each customer's (n_targets, dimension): how the OUT vectors differ from the average, looked up at once."""
        outputs = outputs_of(self._targets) - average
        return [outputs[mine] for mine in self._places]

    def add(self, shares: NDArray[np.floating], rows: NDArray[np.int64]) -> None:
        """The next customer's shares (n_targets, n_rows), which are used up, and the rows whose they are."""
        mine = slice(self._used, self._used + len(shares))
        self._used = mine.stop
        shares = np.ascontiguousarray(shares)  # so that `flat` is the same memory
        flat = shares.reshape(-1)
        begins = np.arange(len(shares)) * len(rows)
        for rank in range(min(self._rows.shape[1], len(rows))):
            best = shares.argmax(axis=1)
            self._rows[mine, rank] = rows.take(best)
            best += begins
            self._shares[mine, rank] = flat.take(best)
            flat[best] = -np.inf

    def lists(self) -> list[list[list[int]]]:
        """By customer, by target."""
        self._rows[self._shares <= 0] = -1
        found = [[row for row in mine if row >= 0] for mine in self._rows.tolist()]
        return [found[mine] for mine in self._places]


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Where the shown score is one half, and how wide its slope is, in units of the log-score."""

    centre: float = 0.0
    spread: float = 1.0


def score_scale(ranked: Sequence[Ranked]) -> ScoreScale:
    """The scale on which the last product of a typical answer shows 0.5 and its first one 0.88."""
    answers = [found.scores for found in ranked if len(found.scores)]
    if not answers:
        return ScoreScale()
    centre = float(np.median([scores[-1] for scores in answers]))
    spread = float(np.median([scores[0] - scores[-1] for scores in answers])) / 2
    return ScoreScale(centre, max(spread, 1e-3))


def display_scores(scores: NDArray[np.floating], scale: ScoreScale) -> NDArray[np.float64]:
    """Log-scores mapped to 0..1 by a logistic curve: the order stays, the number means nothing by itself."""
    z = (np.asarray(scores, np.float64) - scale.centre) / scale.spread
    return 1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0)))


def _best_of(index: Searchable, query: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> Ranked:
    scores = index.scores_of(query, rows)
    rows, scores = rows[scores > _LOWEST], scores[scores > _LOWEST]
    order = np.lexsort((rows, -scores))[:k]
    return Ranked(rows[order], scores[order])
