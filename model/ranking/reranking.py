"""The second stage of ranking: the index's best candidates, ordered anew by a weighted sum of what speaks for each.

For candidate c and a customer with query vector u: affinity u . out[c], popularity and trend (as in `Demand.bias`),
what the nearest customers newly bought lately, and the votes of the customer's own products. All are logarithms, so
that the sum is a log-score. Pure but for what `Neighbours` and `Demand` hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.embeddings.queries import WeightedHistory, shares_in_history
from model.index.item_index import ItemIndex
from model.ranking.parameters import FEATURES, Weights
from model.ranking.retrieval import Ranked, rank
from model.signals.demand import Demand
from model.signals.neighbours import Neighbours
from model.signals.product_votes import LEAST_VOTE, ProductVotes

CANDIDATES = 200  # beyond 200 the validation's NDCG falls: the first stage is a filter, too
VOTING = 300  # the weightiest products of a history that vote: bounds the cost for great buyers
# Of everybody's purchases in those of the neighbours, so that what none of them bought is not all alike.
EVERYONE = 0.1
_SUMMED_TOGETHER = 1 << 14  # rows of customers, in 128 kB: what is added up at random places stays in the cache
LEAST_NEAR = 1e-6  # keeps the logarithm finite
NO_OPINION = float(np.log(1e-3))  # of neighbours who are fewer than an answer asks for: they must not decide alone


@dataclass(frozen=True, slots=True)
class FeatureSources:
    """What features are made from, beside the customers. Rows are those of the model."""

    index: ItemIndex
    demand: Demand
    number_of_row: NDArray[np.integer]  # (n_items,) product numbers, as `demand` counts them
    neighbours: Neighbours | None = None
    votes: ProductVotes | None = None


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """The customers of a micro-batch."""

    customers: NDArray[np.int64]  # (n,) customer numbers, -1 = nobody known
    vectors: NDArray[np.float32]  # (n, dimension) their query vectors, unscaled
    history: WeightedHistory


def rank_in_stages(
    sources: FeatureSources,
    weights: Weights | None,
    batch: QueryBatch,
    *,
    scale: float,
    k: Sequence[int],
    excluded: Sequence[NDArray[np.integer]],
    only: Sequence[NDArray[np.integer] | None] | None = None,
    addends: Sequence[NDArray[np.float32] | None] | None = None,
) -> list[Ranked]:
    """As `retrieval.rank`, with the same promises for `k`, `excluded` and `only`, in the order of the second stage.

    `scale` is that of the first stage, whose bias is in the index; without `weights` it is the only one. `addends` by
    row count in both stages.
    """
    queries = batch.vectors * np.float32(scale)
    if weights is None:
        return rank(sources.index, queries, k, excluded, only, addends)
    fetched = [max(wanted, CANDIDATES) if wanted else 0 for wanted in k]
    found = rank(sources.index, queries, fetched, excluded, only, addends)
    ordered = reordered(sources, weights, batch, [one.rows for one in found], addends)
    return [Ranked(one.rows[:wanted], one.scores[:wanted]) for one, wanted in zip(ordered, k, strict=True)]


def reordered(
    sources: FeatureSources,
    weights: Weights,
    batch: QueryBatch,
    candidates: Sequence[NDArray[np.int64]],
    addends: Sequence[NDArray[np.float32] | None] | None = None,
) -> list[Ranked]:
    """Each customer's candidates, best first by the weighted sum of features and the addend; ties keep their order."""
    wanted = weights.array()
    values = features(sources, batch, candidates, [name for name, w in zip(FEATURES, wanted, strict=True) if w])
    scores = values @ wanted.astype(np.float32)
    if addends is not None:
        scores += added_to(candidates, addends)
    ends = np.cumsum([len(rows) for rows in candidates])[:-1]
    return [
        Ranked(rows[order], mine[order])
        for rows, mine in zip(candidates, np.split(scores, ends), strict=True)
        for order in (np.argsort(-mine, kind="stable"),)
    ]


def added_to(rows: Sequence[NDArray[np.int64]], addends: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """float32 (rows of all customers,): what each customer's addend by row adds to them, 0 where there is none."""
    added = [np.zeros(len(mine), np.float32) if a is None else a[mine] for mine, a in zip(rows, addends, strict=True)]
    return np.concatenate((np.zeros(0, np.float32), *added))


def features(
    sources: FeatureSources, batch: QueryBatch, candidates: Sequence[NDArray[np.int64]], names: Sequence[str] = FEATURES
) -> NDArray[np.float32]:
    """float32 (candidates of all customers, 5), as FEATURES; 0 where not in `names` or without a source."""
    items = len(sources.index)
    rows = np.concatenate((np.zeros(0, np.int64), *candidates))
    values = np.zeros((len(rows), len(FEATURES)), np.float32)
    if not len(rows):
        return values
    columns = {name: values[:, FEATURES.index(name)] for name in names}
    _fill_demand(sources, rows, columns)
    if "affinity" in columns:
        columns["affinity"][:] = np.concatenate(
            [sources.index.outputs_of(rows) @ vector for rows, vector in zip(candidates, batch.vectors, strict=True)]
        )
    if sources.neighbours is not None and "neighbours" in columns:
        everyones = EVERYONE * sources.neighbours.everyones(rows) + LEAST_NEAR
        logs = np.log(_bought_near(sources.neighbours, batch, candidates, items) + everyones)
        columns["neighbours"][:] = NO_OPINION + sources.neighbours.share_of_enough() * (logs - NO_OPINION)
    if sources.votes is not None and "votes" in columns:
        columns["votes"][:] = np.log(_votes_for(sources.votes, batch.history, candidates, items) + LEAST_VOTE)
    return values


def _groups(customers: int, items: int) -> Iterator[slice]:
    """Customers who are added up together: as many as leave their sums in the cache."""
    together = max(1, _SUMMED_TOGETHER // max(items, 1))
    for start in range(0, customers, together):
        yield slice(start, min(start + together, customers))


def _bought_near(
    neighbours: Neighbours, batch: QueryBatch, candidates: Sequence[NDArray[np.int64]], items: int
) -> NDArray[np.float64]:
    """float64 (candidates of all customers,): what each customer's neighbours bought of it."""
    weights, slots = neighbours.nearest(batch.customers, batch.vectors)
    sums = []
    for group in _groups(len(candidates), items):
        owner, rows, counts = neighbours.purchases_of(weights[group], slots[group])
        sums.append(_summed(owner * items + rows, counts, candidates[group], items))
    return np.concatenate(sums)


def _votes_for(
    votes: ProductVotes, history: WeightedHistory, candidates: Sequence[NDArray[np.int64]], items: int
) -> NDArray[np.float64]:
    """float64 (candidates of all customers,): the votes for each; a customer's products have one vote together."""
    voters = [history.weightiest(mine, VOTING) for mine in history.slices()]
    sums = []
    for group in _groups(len(candidates), items):
        mine = voters[group]
        owner = np.repeat(np.arange(len(mine)) * items, [len(rows) for rows, _ in mine])
        voted, strengths = votes.of(np.concatenate([rows for rows, _ in mine]))
        shares = np.concatenate([shares_in_history(weights) for _, weights in mine])
        values = np.multiply(strengths, shares[:, None], dtype=np.float64)
        sums.append(_summed((owner[:, None] + voted).ravel(), values.ravel(), candidates[group], items))
    return np.concatenate(sums)


def _summed(
    keys: NDArray[np.int64], values: NDArray[np.float64], candidates: Sequence[NDArray[np.int64]], items: int
) -> NDArray[np.float64]:
    """float64 (candidates of a group,): the sum of the values of each; a key is position in the group * items + row."""
    sums = np.bincount(keys, values, minlength=len(candidates) * items)  # of integers where there are no keys
    at = np.concatenate([rows + place * items for place, rows in enumerate(candidates)])
    return sums.take(at).astype(np.float64, copy=False)


def _fill_demand(sources: FeatureSources, rows: NDArray[np.int64], columns: dict[str, NDArray[np.float32]]) -> None:
    numbers = sources.number_of_row[rows]
    for name, of_popularity, of_trend in (("popularity", 1.0, 0.0), ("trend", 0.0, 1.0)):
        if name in columns:
            columns[name][:] = sources.demand.bias(numbers, of_popularity, of_trend)
