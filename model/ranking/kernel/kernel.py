"""The kernel: a micro-batch in a handful of compiled calls and two matrix products, over arrays that are kept fresh.

Importing this module loads, or compiles, the functions of this room; `compilation` says when. One thread.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import LEAST_WEIGHT
from model.ranking.asked import AskedBatch, Recommended, Shares
from model.ranking.kernel.candidates import find
from model.ranking.kernel.explained import explain
from model.ranking.kernel.features import NOWHERE
from model.ranking.kernel.histories import query_vectors, weigh
from model.ranking.kernel.list_search import ListSearch
from model.ranking.kernel.memory import fixed, groups
from model.ranking.kernel.nearest import points_of
from model.ranking.kernel.nearest_search import NearestSearch
from model.ranking.kernel.second_stage import order, order_by_first_stage
from model.ranking.kernel.shares import divide
from model.ranking.kernel.tables import Candidates, Demand, History, Lent, Limits, Nearest, Purchases, Shown, VoteTable
from model.ranking.reranking import CANDIDATES
from model.ranking.shares import COLUMNS, first_stage_weights

if TYPE_CHECKING:
    from model.ranking.model import RankingModel

_NONE = np.zeros(0, np.int64)
_Near: TypeAlias = tuple[Nearest, Purchases, NDArray[np.float64]]  # and what all in the index bought, by row


class Kernel:
    """What ranks for one model."""

    def __init__(self, model: "RankingModel", demand: Demand) -> None:
        """`demand` is kept fresh by the model's `refresh`."""
        self._model = model
        self._items = len(model.index)
        self._vectors = fixed(model.vectors, np.float32)
        self._number_of_row = fixed(model.number_of_row, np.int32)
        self._row_of_number = fixed(model.row_of_number, np.int32)
        self._table = VoteTable(
            fixed(model.votes.place, np.int32),
            fixed(model.votes.rows, np.int32),
            fixed(model.votes.weights, np.float32),
        )
        self._demand = demand
        self._powers = _powers(model.ranking.scoring.recency)
        weights = model.ranking.weights
        self._weights = None if weights is None else weights.array().astype(np.float32)
        self._lent = self._memory(self._items)
        self._neighbour_search = NearestSearch()
        lists = model.index.lists
        self._search = None if lists is None else ListSearch(lists)

    def _memory(self, most: int) -> Lent:
        return Lent(
            -1 - np.arange(self._items, dtype=np.int32) % NOWHERE,
            np.zeros(self._items, np.float32), np.zeros(most, np.float32), np.zeros(most, np.int32),
        )  # fmt: skip

    def recommend(
        self, asked: AskedBatch, *, average: NDArray[np.float32], most: int, shares: bool = False
    ) -> Recommended:
        """As `RankingModel.recommend`."""
        history = self._weighed(asked)
        queries = np.empty((len(asked), self._vectors.shape[1]), np.float32)
        query_vectors(self._vectors, *history, queries)
        k = np.array(asked.k, np.int64)
        limits = _limits(asked, self._items)
        found = self._found(queries, k, history, limits)
        near = _nobody(len(asked)) if self._weights is None else self._nearest(asked, queries)
        shown = self._ordered(k, history, limits, found, near)
        recommended = self._explained(history, shown, average, most)
        if not shares:
            return recommended
        return replace(recommended, shares=self._shares(recommended, history, limits, near))

    def _weighed(self, asked: AskedBatch) -> History:
        histories = asked.histories
        lines = len(histories.products)
        starts = np.empty(len(asked) + 1, np.int64)
        rows, weights = np.empty(lines, np.int64), np.empty(lines, np.float32)
        used = weigh(
            fixed(histories.starts, np.int64), fixed(histories.products, np.uint32),
            fixed(histories.times, np.uint32), self._row_of_number, self._number_of_row,
            self._powers, self._lent.place, starts, rows, weights,
        )  # fmt: skip
        return History(starts, rows[:used], weights[:used])

    # -- first stage

    def _found(
        self, queries: NDArray[np.float32], k: NDArray[np.int64], history: History, limits: Limits
    ) -> Candidates:
        wanted = k if self._weights is None else np.where(k > 0, np.maximum(k, CANDIDATES), 0)
        shape = len(queries), int(wanted.max(initial=0))
        found = Candidates(
            np.zeros(len(queries), np.int64),
            np.empty(shape, np.int32), np.empty(shape, np.float32), np.empty(shape, np.float32),
        )  # fmt: skip
        scale = np.float32(self._model.ranking.scoring.scale)
        if self._search is not None:
            self._search.find(queries, scale, wanted, self._demand, history, limits, self._lent, found)
            return found
        outputs = self._model.index.outputs
        for group in groups(len(queries), self._items):
            products = queries[group] @ outputs.T
            find(group.start, products, scale, wanted, self._demand, history, limits, self._lent, found)
        return found

    # -- second stage

    def _ordered(self, k: NDArray[np.int64], history: History, limits: Limits, found: Candidates, near: _Near) -> Shown:
        shape = len(k), int(k.max(initial=0))
        shown = Shown(np.zeros(len(k), np.int64), np.empty(shape, np.int32), np.empty(shape, np.float32))
        if self._weights is None:
            order_by_first_stage(k, found, shown)
            return shown
        nearest, purchases, everyones = near
        order(
            k, self._weights, self._demand, everyones, history, limits, found, nearest, purchases, self._table,
            self._lent.place, shown,
        )  # fmt: skip
        return shown

    def _nearest(self, asked: AskedBatch, queries: NDArray[np.float32]) -> _Near:
        neighbours = self._model.neighbours
        if neighbours is None:
            return _nobody(len(queries))
        arrays = neighbours.arrays()
        count = min(neighbours.parameters.nearest + 1, len(neighbours))
        slots, weights = np.empty((len(queries), count), np.int32), np.empty((len(queries), count), np.float64)
        if count:
            points = np.empty_like(queries)
            points_of(queries, arrays.centre, points)
            own = np.array(neighbours.slots_of(asked.histories.customers.tolist()), np.int64)
            if len(arrays.points) > len(self._lent.passed):
                self._lent = self._memory(len(arrays.points))
            customers = asked.histories.customers.astype(np.int64)
            self._neighbour_search.find(customers, points, own, arrays, count, self._lent, slots, weights)
        return (
            Nearest(
                slots=slots,
                weights=weights,
                factor=arrays.factor,
                everyone=arrays.factor / max(len(neighbours), 1),
                enough=arrays.enough,
                known=True,
            ),
            Purchases(arrays.starts, arrays.sizes, arrays.rows, arrays.counts),
            arrays.sums,
        )

    # -- reasons

    def _explained(self, history: History, shown: Shown, average: NDArray[np.float32], most: int) -> Recommended:
        starts = np.zeros(len(shown.counts) + 1, np.int64)
        np.cumsum(shown.counts, out=starts[1:])
        inside = np.arange(shown.rows.shape[1]) < shown.counts[:, None]
        rows, scores = shown.rows[inside], shown.scores[inside]
        reasons = np.full((len(rows), most), -1, np.int32)
        weights = self._model.ranking.weights
        affinity, votes = (1.0, 0.0) if weights is None else (float(weights.affinity), float(weights.votes))
        if len(rows):
            targets = self._model.index.outputs_of(rows) - np.asarray(average, np.float32)
            explain(
                self._vectors, targets, starts, rows, affinity, votes, history, self._table, self._lent.place, reasons
            )
        return Recommended(starts=starts, rows=rows, scores=scores, reasons=reasons, able=np.diff(history.starts) > 0)

    # -- shares

    def _shares(self, recommended: Recommended, history: History, limits: Limits, near: _Near) -> Shares:
        shown = recommended.rows
        starts = np.zeros(len(shown) + 1, np.int64)
        np.cumsum(np.repeat(np.diff(history.starts), np.diff(recommended.starts)), out=starts[1:])
        rows, purchases = np.empty(starts[-1], np.int32), np.zeros(starts[-1], np.float32)
        columns = np.zeros((len(COLUMNS), len(shown)), np.float32)
        weights = first_stage_weights(self._model.ranking.scoring) if self._weights is None else self._weights
        if len(shown):
            nearest, bought, everyones = near
            outputs = np.ascontiguousarray(self._model.index.outputs_of(shown))
            divide(
                recommended.starts, shown, outputs, self._vectors, weights, self._demand, everyones, history, limits,
                nearest, bought, self._table, self._lent.place, starts, rows, purchases, columns,
            )  # fmt: skip
        return Shares(starts=starts, rows=rows, purchases=purchases, **dict(zip(COLUMNS, columns, strict=True)))


def _powers(recency: float) -> NDArray[np.float32]:
    """What each rank weighs, up to the one from which on all weigh the least."""
    powers = np.maximum(recency ** np.arange(4096, dtype=np.float64), LEAST_WEIGHT).astype(np.float32)
    ends = np.flatnonzero(powers <= np.float32(LEAST_WEIGHT))
    return powers[: int(ends[0]) + 1] if len(ends) else powers


def _limits(asked: AskedBatch, items: int) -> Limits:
    listed = np.array([rows is not None for rows in asked.only], bool)
    mask_of, masks = _lines(asked.allowed, len(asked), items, np.bool_)
    addend_of, addends = _lines(asked.addends, len(asked), items, np.float32)
    excluded_starts, excluded = _end_to_end(asked.excluded)
    only_starts, only = _end_to_end([_NONE if rows is None else rows for rows in asked.only])
    return Limits(
        repeats=np.array(asked.repeats, bool),
        excluded_starts=excluded_starts,
        excluded=excluded,
        listed=listed,
        only_starts=only_starts,
        only=only,
        mask_of=mask_of,
        masks=masks,
        addend_of=addend_of,
        addends=addends,
    )


def _end_to_end(rows: Sequence[NDArray[np.integer]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(some) for some in rows], out=starts[1:])
    return starts, np.concatenate((_NONE, *rows)).astype(np.int64) if starts[-1] else _NONE


def _lines(
    given: Sequence[NDArray[Any] | None], customers: int, items: int, kind: Any
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Which line of the second array is each customer's, -1 = none; what serves many stands there once."""
    lines: dict[int, int] = {}
    distinct: list[NDArray[Any]] = []
    line_of = np.full(customers, -1, np.int32)
    for i, array in enumerate(given):
        if array is not None:
            if id(array) not in lines:
                lines[id(array)] = len(distinct)
                distinct.append(array)
            line_of[i] = lines[id(array)]
    return line_of, np.stack(distinct).astype(kind) if distinct else np.zeros((0, items), kind)


def _nobody(customers: int) -> _Near:
    slots, weights = np.zeros((customers, 0), np.int32), np.zeros((customers, 0))
    nearest = Nearest(slots=slots, weights=weights, factor=0.0, everyone=0.0, enough=0.0, known=False)
    return nearest, Purchases(_NONE, _NONE, _NONE, np.zeros(0)), np.zeros(0)
