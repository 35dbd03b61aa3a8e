"""What each shown score is made of, as `model.ranking.shares` says."""

import numpy as np

from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.features import NOWHERE, mark, shares_of, unmark
from model.ranking.kernel.histories import weightiest
from model.ranking.kernel.inner_products import compare
from model.ranking.kernel.reasons import votes_between
from model.ranking.kernel.second_stage import add_neighbours
from model.ranking.kernel.tables import Demand, History, Limits, Nearest, Purchases, VoteTable
from model.ranking.reranking import VOTING
from model.signals.product_votes import LEAST_VOTE

_AFFINITY, _POPULARITY, _TREND, _NEIGHBOURS, _VOTES = range(5)


@compiled
def divide(
    shown_starts: I64,
    shown: I32,
    outputs: F32,
    vectors: F32,
    weights: F32,
    demand: Demand,
    everyones: F64,
    history: History,
    limits: Limits,
    nearest: Nearest,
    bought: Purchases,
    table: VoteTable,
    place: I32,
    starts: I64,
    rows: I32,
    purchases: F32,
    columns: F32,
) -> None:
    """Fill `rows`, and `purchases` and `columns` float32 (5, n_shown), both all 0, as `Shares` has them.

    In: `shown_starts` and `shown` as in `Recommended`; `outputs` float32 (n_shown, dimension), their OUT vectors;
    `weights`, `everyones` and `place` as in `order`; `starts` as in `Shares`.
    """
    sums = np.empty(NOWHERE + np.max(shown_starts[1:] - shown_starts[:-1]), np.float64)
    for customer in range(len(shown_starts) - 1):
        first, last = shown_starts[customer], shown_starts[customer + 1]
        if first == last:
            continue
        some = shown[first:last]
        here = slice(starts[first], starts[last])
        mine = slice(history.starts[customer], history.starts[customer + 1])
        own, own_weights = history.rows[mine], history.weights[mine]
        spoken = purchases[here].reshape(last - first, len(own))
        rows[here].reshape(last - first, len(own))[:] = own
        _speak(vectors, outputs[first:last], own, own_weights, weights[_AFFINITY], spoken)
        _whoever_asks(customer, some, weights, demand, limits, columns[:, first:last])
        mark(place, some)
        if weights[_NEIGHBOURS] != 0 and nearest.known:
            add_neighbours(
                customer, len(some), some, weights, everyones, nearest, bought, place, sums, columns[2, first:last]
            )
        if weights[_VOTES] != 0:
            _vote(own, own_weights, weights[_VOTES], table, place, spoken)
        unmark(place, some)


@compiled
def _speak(vectors: F32, outputs: F32, own: I64, own_weights: F32, affinity: np.float32, spoken: F32) -> None:
    """Affinity: each product's share in the query vector * (IN vector . OUT vector), into `spoken` (shown, own)."""
    total = np.float32(0)
    for weight in own_weights:
        total += weight
    ones, others = np.empty(len(outputs), np.float32), np.empty(len(outputs), np.float32)
    for i in range(0, len(own), 2):
        j = min(i + 1, len(own) - 1)
        compare(outputs, vectors[own[i]], vectors[own[j]], ones, others)
        for shown in range(len(outputs)):
            spoken[shown, j] = affinity * own_weights[j] / total * others[shown]
            spoken[shown, i] = affinity * own_weights[i] / total * ones[shown]


@compiled
def _whoever_asks(customer: int, some: I32, weights: F32, demand: Demand, limits: Limits, columns: F32) -> None:
    """Popularity, trend, the votes' base and the addend into their `columns`."""
    base = weights[_VOTES] * np.log(LEAST_VOTE)
    for j in range(len(some)):
        columns[0, j] = weights[_POPULARITY] * demand.popularity[some[j]]
        columns[1, j] = weights[_TREND] * demand.trend[some[j]]
        columns[3, j] = base
        if limits.addend_of[customer] >= 0:
            columns[4, j] = limits.addends[limits.addend_of[customer], some[j]]


@compiled
def _vote(own: I64, own_weights: F32, weight: np.float32, table: VoteTable, place: I32, spoken: F32) -> None:
    """Add to `spoken` each voter's part of what all votes raise the score by."""
    chosen, shares = np.empty(VOTING, np.int64), np.empty(VOTING, np.float32)
    voters = weightiest(own_weights, VOTING, chosen)
    shares_of(own_weights, chosen, voters, shares)
    votes = np.zeros((len(spoken), voters), np.float64)
    votes_between(own, chosen, shares, voters, table, place, votes)
    for j in range(len(spoken)):
        total = 0.0
        for i in range(voters):
            total += votes[j, i]
        if total > 0:
            times = weight * np.log(1 + total / LEAST_VOTE) / total
            for i in range(voters):
                spoken[j, chosen[i]] += times * votes[j, i]
