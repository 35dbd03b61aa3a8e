"""The same answers in numpy, from the two stages as they stand in `model.ranking`: what the kernel is held to.

It answers until the kernel is compiled, and where the kernel can not.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import WeightedHistory
from model.purchases.histories import distinct, entries_of
from model.ranking.asked import AskedBatch, Recommended, Shares
from model.ranking.retrieval import Ranked
from model.ranking.shares import shares_of

if TYPE_CHECKING:
    from model.ranking.model import RankingModel

_NOTHING = Ranked(np.zeros(0, np.int64), np.zeros(0, np.float32))


def recommended(
    model: "RankingModel", asked: AskedBatch, *, average: NDArray[np.float32], most: int = 2, shares: bool = False
) -> Recommended:
    """As `RankingModel.recommend`."""
    history = model.encoder.history(distinct(asked.histories))
    able = np.diff(history.starts) > 0
    places = np.flatnonzero(able).tolist()
    found = [_NOTHING] * len(asked)
    reasons: list[list[list[int]]] = [[] for _ in found]
    parts: Shares | None = None
    if places:
        some = _part(history, places)
        ranked = _ranked(model, asked, places, some)
        named = model.because(some, [one.rows for one in ranked], average=average, most=most)
        for i, one, why in zip(places, ranked, named, strict=True):
            found[i], reasons[i] = one, why
    if shares:
        addends = asked.addends or [None] * len(asked)
        batch = model.batch_of(asked.histories.customers.astype(np.int64), history)
        parts = shares_of(model, batch, [one.rows for one in found], addends)
    return replace(_as_arrays(found, reasons, able, most), shares=parts)


def _part(history: WeightedHistory, places: Sequence[int]) -> WeightedHistory:
    starts, entries = entries_of(history.starts, places)
    return WeightedHistory(starts, history.rows[entries], history.weights[entries])


def _ranked(model: "RankingModel", asked: AskedBatch, places: Sequence[int], history: WeightedHistory) -> list[Ranked]:
    batch = model.batch_of(asked.histories.customers[places].astype(np.int64), history)
    own = history.rows_of_each()
    excluded = [
        asked.excluded[i] if asked.repeats[i] else np.concatenate((asked.excluded[i], mine)).astype(np.int64)
        for i, mine in zip(places, own, strict=True)
    ]
    return model.rank(
        batch,
        [asked.k[i] for i in places],
        excluded,
        [_permitted(asked, i) for i in places],
        [asked.addends[i] for i in places] if asked.addends else None,
    )


def _permitted(asked: AskedBatch, i: int) -> NDArray[np.integer] | None:
    """The rows that customer i may be shown, None for all."""
    allowed, only = asked.allowed[i] if asked.allowed else None, asked.only[i]
    if allowed is None:
        return only
    return np.flatnonzero(allowed) if only is None else only[allowed[only]]


def _as_arrays(
    found: Sequence[Ranked], reasons: Sequence[Sequence[Sequence[int]]], able: NDArray[np.bool_], most: int
) -> Recommended:
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum([len(one.rows) for one in found], dtype=np.int64)))
    named = np.full((int(starts[-1]), most), -1, np.int32)
    for at, rows in enumerate(rows for mine in reasons for rows in mine):
        named[at, : len(rows)] = rows
    return Recommended(
        starts=starts,
        rows=np.concatenate([np.zeros(0, np.int64), *(one.rows for one in found)]).astype(np.int32),
        scores=np.concatenate([np.zeros(0, np.float32), *(one.scores for one in found)]),
        reasons=named,
        able=able,
    )
