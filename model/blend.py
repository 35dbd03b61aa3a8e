"""The second stage of ranking: the index's best candidates, ordered anew by a weighted sum of what speaks for each.

For candidate c and a customer with query vector u: affinity u . out[c], popularity and trend (as in `Demand.bias`),
what the nearest customers newly bought lately, and the votes of the customer's own products. All are logarithms, so
that the sum is a log-score. Pure but for what `Neighbours` and `Demand` hold.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.demand import Demand
from model.index import ItemIndex
from model.neighbours import Neighbours
from model.product_votes import ProductVotes
from model.ranking import Owned, Ranked, rank, shares_of, strongest

FEATURES = ("affinity", "popularity", "trend", "neighbours", "votes")
CANDIDATES = 200  # beyond 200 the validation's NDCG falls: the first stage is a filter, too
_VOTING = 300  # the weightiest products of a history that vote: bounds the cost for great buyers
_EVERYONE = (
    0.1  # of everybody's purchases in those of the neighbours, so that what none of them bought is not all alike
)
_LEAST_NEAR, _LEAST_VOTE = 1e-6, 1e-3  # keep the logarithms finite


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each feature weighs; 0 spares the work for it. Defaults: learnt on four months of online_retail."""

    affinity: float = 0.14
    popularity: float = -0.23
    trend: float = 1.0
    neighbours: float = 0.1
    votes: float = 1.44

    def array(self) -> NDArray[np.float64]:
        """float64 (5,), in the order of FEATURES."""
        return np.array(astuple(self), np.float64)

    def without(self, parts: Sequence[str]) -> "Weights":
        """The same with some of FEATURES switched off."""
        return replace(self, **dict.fromkeys(parts, 0.0))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What features are made from, beside the customers. Rows are those of the model."""

    index: ItemIndex
    demand: Demand
    number_of_row: NDArray[np.int64]  # (n_items,) product numbers, as `demand` counts them
    neighbours: Neighbours | None = None
    votes: ProductVotes | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """The customers of a micro-batch."""

    customers: NDArray[np.int64]  # (n,) customer numbers, -1 = nobody known
    vectors: NDArray[np.float32]  # (n, dimension) their query vectors, unscaled
    history: Owned


def rank_blended(
    evidence: Evidence,
    weights: Weights,
    asking: Asking,
    *,
    scale: float,
    k: Sequence[int],
    excluded: Sequence[NDArray[np.integer]],
    only: Sequence[NDArray[np.integer] | None] | None = None,
) -> list[Ranked]:
    """As `ranking.rank`, with the same promises for `k`, `excluded` and `only`, in the order of the second stage.

    `scale` is that of the first stage, whose bias is in the index.
    """
    fetched = [max(wanted, CANDIDATES) if wanted else 0 for wanted in k]
    found = rank(evidence.index, asking.vectors * np.float32(scale), fetched, excluded, only)
    ordered = reordered(evidence, weights, asking, [one.rows for one in found])
    return [Ranked(one.rows[:wanted], one.scores[:wanted]) for one, wanted in zip(ordered, k, strict=True)]


def reordered(
    evidence: Evidence, weights: Weights, asking: Asking, candidates: Sequence[NDArray[np.int64]]
) -> list[Ranked]:
    """Each customer's candidates, best first by the weighted sum of features; ties keep their order."""
    wanted = weights.array()
    values = features(evidence, asking, candidates, [name for name, w in zip(FEATURES, wanted, strict=True) if w])
    scores = values @ wanted.astype(np.float32)
    ends = np.cumsum([len(rows) for rows in candidates])[:-1]
    return [
        Ranked(rows[order], mine[order])
        for rows, mine in zip(candidates, np.split(scores, ends), strict=True)
        for order in (np.argsort(-mine, kind="stable"),)
    ]


def features(
    evidence: Evidence, asking: Asking, candidates: Sequence[NDArray[np.int64]], names: Sequence[str] = FEATURES
) -> NDArray[np.float32]:
    """float32 (candidates of all customers, 5), as FEATURES; 0 where not in `names` or without evidence."""
    rows = np.concatenate((np.zeros(0, np.int64), *candidates))
    values = np.zeros((len(rows), len(FEATURES)), np.float32)
    columns = {name: values[:, FEATURES.index(name)] for name in names}
    _fill_demand(evidence, rows, columns)
    neighbours = evidence.neighbours if "neighbours" in columns else None
    if neighbours is not None:
        near, slots = neighbours.nearest(asking.customers, asking.vectors)
        everyones = _EVERYONE * neighbours.everyones(rows) + _LEAST_NEAR
    place = np.zeros(len(evidence.index), np.int64)  # 1 + the place among the candidates; all 0 between customers
    end = 0
    for i, (mine, entries) in enumerate(zip(candidates, asking.history.slices(), strict=True)):
        span = slice(end, end + len(mine))
        end = span.stop
        place[mine] = np.arange(1, len(mine) + 1)
        if "affinity" in columns:
            columns["affinity"][span] = evidence.index.outputs.take(mine, axis=0) @ asking.vectors[i]
        if neighbours is not None:
            sums = _sums(place, len(mine), *neighbours.purchases_of(near[i], slots[i]))
            columns["neighbours"][span] = np.log(sums + everyones[span])
        if evidence.votes is not None and "votes" in columns:
            sums = _sums(place, len(mine), *_votes_of(evidence.votes, asking.history, entries))
            columns["votes"][span] = np.log(sums + _LEAST_VOTE)
        place[mine] = 0
    return values


def because_blended(
    evidence: Evidence,
    weights: Weights,
    history: Owned,
    recommended: Sequence[NDArray[np.integer]],
    *,
    vectors: NDArray[np.float32],
    average: NDArray[np.float32],
    most: int = 2,
) -> list[list[list[int]]]:
    """As `ranking.because`, with the votes: a product's part in the weighted sum of affinity and votes decides.

    The part in the logarithm of the votes is the product's share of them. What speaks by demand or by neighbours alone
    has no reason in the customer's own history.
    """
    reasons = []
    for mine, rows in zip(history.slices(), recommended, strict=True):
        own, own_weights = history.weightiest(mine)
        own_weights = own_weights / max(float(own_weights.sum()), _LEAST_NEAR)
        shares = weights.affinity * shares_of(vectors, evidence.index.outputs[rows] - average, own, own_weights)
        if evidence.votes is not None and weights.votes:
            votes = _votes_between(evidence.votes, own, rows) * own_weights
            shares = shares + weights.votes * votes / (votes.sum(axis=1, keepdims=True) + _LEAST_VOTE)
        reasons.append(strongest(shares, own, most))
    return reasons


def _votes_between(votes: ProductVotes, own: NDArray[np.int64], rows: NDArray[np.integer]) -> NDArray[np.float32]:
    """float32 (len(rows), len(own)): how strongly each product of a history votes for each of `rows`."""
    voted, strengths = votes.of(own)
    return np.stack([np.where(voted == row, strengths, 0.0).sum(axis=1) for row in rows.tolist()] or [np.zeros(0)])


def _fill_demand(evidence: Evidence, rows: NDArray[np.int64], columns: dict[str, NDArray[np.float32]]) -> None:
    numbers = evidence.number_of_row[rows]
    for name, of_popularity, of_trend in (("popularity", 1.0, 0.0), ("trend", 0.0, 1.0)):
        if name in columns:
            columns[name][:] = evidence.demand.bias(numbers, of_popularity, of_trend)


def _votes_of(votes: ProductVotes, history: Owned, entries: slice) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Rows voted for by a history, with repeats, and how strongly; a customer's products have one vote together."""
    rows, weights = history.rows[entries], history.weights[entries]
    if len(rows) > _VOTING:
        heavy = np.argpartition(weights, -_VOTING)[-_VOTING:]
        rows, weights = rows[heavy], weights[heavy]
    if not len(rows):
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    shares = (weights / weights.sum())[:, None]
    voted, strengths = votes.of(rows)
    return voted.ravel(), (strengths * shares).ravel()


def _sums(
    place: NDArray[np.int64], count: int, rows: NDArray[np.integer], values: NDArray[np.floating]
) -> NDArray[np.float64]:
    """float64 (count,): for each candidate the sum of the values of its row."""
    return np.bincount(place.take(rows), values, minlength=count + 1)[1:].astype(np.float64, copy=False)
