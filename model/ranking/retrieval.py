"""From histories to ranked products: query vectors, exclusions, allow-lists, reasons and the shown score.

Pure functions over a micro-batch of requests. Rows are rows of the model; a score is a log-score without bounds,
scale * u . out[c] + bias[c], where u is the mean of the history's IN vectors, recent orders weighing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_SPARE = 32  # neighbours fetched beyond k at first; those bought already are dropped from them
_NARROW = 8  # an allow-list below this part of the catalogue is scored row by row
_LOWEST = np.finfo(np.float32).min


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


def rank(  # noqa: PLR0917 - what one request is, and then many of them
    index: Searchable,
    queries: NDArray[np.float32],
    k: Sequence[int],
    excluded: Sequence[NDArray[np.integer]],
    only: Sequence[NDArray[np.integer] | None] | None = None,
    addends: Sequence[NDArray[np.float32] | None] | None = None,
) -> list[Ranked]:
    """The `k[i]` best rows for query i, none of `excluded[i]`, and all of `only[i]` where that is given.

    `addends[i]` float32 (items,) is added to the scores: such a query is compared with every row that is allowed.
    Fewer than asked only when nothing more is allowed; a row whose bias is minus infinity never is. Exact: what is left
    out is replaced by the next best.
    """
    answers = [Ranked(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
    permits = [_Permit(len(index), excluded[i], only[i] if only is not None else None) for i in range(len(queries))]
    added = [addends[i] if addends is not None else None for i in range(len(queries))]
    one_by_one = [permit.is_narrow or added[i] is not None for i, permit in enumerate(permits)]
    for i in np.flatnonzero(one_by_one).tolist():
        answers[i] = _best_of(index, queries[i], permits[i].rows(), k[i], added[i])
    pending = np.flatnonzero(np.logical_not(one_by_one)).tolist()
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
        """The allowed rows, ascending."""
        among = np.arange(self.items) if self.only is None else self.only
        return np.setdiff1d(among, self.excluded).astype(np.int64)

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


def _best_of(
    index: Searchable, query: NDArray[np.float32], rows: NDArray[np.int64], k: int, addend: NDArray[np.float32] | None
) -> Ranked:
    scores = index.scores_of(query, rows)
    if addend is not None:
        scores = scores + addend[rows]
    rows, scores = rows[scores > _LOWEST], scores[scores > _LOWEST]
    order = np.lexsort((rows, -scores))[:k]
    return Ranked(rows[order], scores[order])
