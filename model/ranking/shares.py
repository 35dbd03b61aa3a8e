"""What a shown score is made of: every past purchase, and what speaks for a product whoever is asked.

The votes of a history raise a score above that of a product for which nobody votes: the rise is divided among those
who vote, by their votes; what is left is the base. So the parts are a definition, and they sum to the score.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import shares_in_history
from model.ranking.asked import Shares
from model.ranking.parameters import FEATURES, Scoring
from model.ranking.reasons import votes_between
from model.ranking.reranking import VOTING, QueryBatch, added_to
from model.signals.product_votes import LEAST_VOTE

if TYPE_CHECKING:
    from model.ranking.model import RankingModel

COLUMNS = ("popularity", "trend", "neighbours", "votes_base", "addend")


def first_stage_weights(scoring: Scoring) -> NDArray[np.float32]:
    """float32 (5,), in the order of FEATURES: what the index alone gives each."""
    return np.array([scoring.scale, scoring.popularity_weight, scoring.trend_weight, 0, 0], np.float32)


def shares_of(
    model: "RankingModel",
    batch: QueryBatch,
    shown: Sequence[NDArray[np.int64]],
    addends: Sequence[NDArray[np.float32] | None],
) -> Shares:
    """Of the rows shown to each customer of the batch, whose addends are by row of the model."""
    weights = model.ranking.weights
    weighed = first_stage_weights(model.ranking.scoring) if weights is None else weights.array().astype(np.float32)
    named = [name for name, weight in zip(FEATURES[1:4], weighed[1:4], strict=True) if weight]
    columns = (model.features(batch, shown, named) * weighed)[:, 1:4].T
    purchases = [np.zeros(0, np.float32)]
    rows, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for mine, some in zip(batch.history.slices(), shown, strict=True):
        own = batch.history.rows[mine]
        spoken = float(weighed[0]) * _affinity(model, batch, mine, some)
        if weighed[4]:
            spoken += float(weighed[4]) * _votes(model, batch, mine, some)
        purchases.append(spoken.astype(np.float32).ravel())
        rows.append(np.tile(own, len(some)))
        sizes.append(np.full(len(some), len(own)))
    return Shares(
        starts=np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes)))),
        rows=np.concatenate(rows).astype(np.int32),
        purchases=np.concatenate(purchases),
        popularity=columns[0],
        trend=columns[1],
        neighbours=columns[2],
        votes_base=np.full(columns.shape[1], weighed[4] * np.log(LEAST_VOTE), np.float32),
        addend=added_to(shown, addends),
    )


def _affinity(model: "RankingModel", batch: QueryBatch, mine: slice, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 (shown, own): share of each product in the query vector * (IN vector . OUT vector)."""
    weights = batch.history.weights[mine].astype(np.float64)
    products = model.index.outputs_of(shown).astype(np.float64) @ model.vectors[batch.history.rows[mine]].T
    products *= weights / max(weights.sum(), np.finfo(np.float64).tiny)
    return np.asarray(products, np.float64)


def _votes(model: "RankingModel", batch: QueryBatch, mine: slice, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 (shown, own): the part of each product in what all votes of the history raise the logarithm by."""
    voters, strengths = batch.history.weightiest(mine, VOTING)
    place = np.zeros(len(model.vectors), np.int32)
    place[shown] = np.arange(1, len(shown) + 1)
    votes = votes_between(model.votes, voters, place, len(shown)) * shares_in_history(strengths)
    total = votes.sum(axis=1, keepdims=True)
    own = batch.history.rows[mine]
    parts = np.zeros((len(shown), len(own)))
    parts[:, np.isin(own, voters)] = np.divide(votes, total, out=np.zeros_like(votes), where=total > 0)
    return np.asarray(parts * np.log1p(total / LEAST_VOTE), np.float64)
