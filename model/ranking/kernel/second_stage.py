"""The second stage: the candidates ordered anew by a weighted sum, as `model.ranking.reranking` says."""

import numpy as np

from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.features import NOWHERE, bought_near, mark, shares_of, unmark, voted_for
from model.ranking.kernel.histories import weightiest
from model.ranking.kernel.logarithms import take_logarithms
from model.ranking.kernel.ordering import order_best
from model.ranking.kernel.tables import Candidates, Demand, History, Limits, Nearest, Purchases, Shown, VoteTable
from model.ranking.reranking import EVERYONE, LEAST_NEAR, NO_OPINION, VOTING
from model.signals.product_votes import LEAST_VOTE

_AFFINITY, _POPULARITY, _TREND, _NEIGHBOURS, _VOTES = range(5)


@compiled
def order(
    k: I64,
    weights: F32,
    demand: Demand,
    everyones: F64,
    history: History,
    limits: Limits,
    found: Candidates,
    nearest: Nearest,
    purchases: Purchases,
    table: VoteTable,
    place: I32,
    shown: Shown,
) -> None:
    """The `k` best of each customer's candidates by the weighted sum of features.

    `weights` float32 (5,) in the order of FEATURES; `everyones` float64 (n_items,), what all who are in the index
    bought; `place` as in `Lent`.
    """
    room = found.rows.shape[1]
    totals, sums = np.empty(room, np.float32), np.empty(NOWHERE + room, np.float64)
    for customer in range(len(k)):
        count, rows = found.counts[customer], found.rows[customer]
        if count == 0:
            shown.counts[customer] = 0
            continue
        mark(place, rows[:count])
        _known(count, rows, found.affinity[customer], weights, demand, totals)
        if weights[_NEIGHBOURS] != 0 and nearest.known:
            add_neighbours(customer, count, rows, weights, everyones, nearest, purchases, place, sums, totals)
        if weights[_VOTES] != 0:
            _add_votes(customer, count, weights[_VOTES], history, table, place, sums, totals)
        if limits.addend_of[customer] >= 0:
            for i in range(count):
                totals[i] += limits.addends[limits.addend_of[customer], rows[i]]
        unmark(place, rows[:count])
        shown.counts[customer] = order_best(
            totals, found.scores[customer], rows, count, k[customer], shown.rows[customer], shown.scores[customer]
        )


@compiled
def _known(count: int, rows: I32, affinity: F32, weights: F32, demand: Demand, totals: F32) -> None:
    """What needs no look at others: affinity, popularity and trend."""
    for i in range(count):
        totals[i] = (
            weights[_AFFINITY] * affinity[i]
            + weights[_POPULARITY] * demand.popularity[rows[i]]
            + weights[_TREND] * demand.trend[rows[i]]
        )


@compiled
def add_neighbours(
    customer: int,
    count: int,
    rows: I32,
    weights: F32,
    everyones: F64,
    nearest: Nearest,
    purchases: Purchases,
    place: I32,
    sums: F64,
    totals: F32,
) -> None:
    """Add to `totals` what the customers most alike bought of the `count` first of `rows`, which have places."""
    sums[: NOWHERE + count] = 0
    slots = nearest.slots[customer]
    bought_near(nearest.weights[customer], slots, len(slots), purchases, nearest.factor, place, sums)
    logs = np.empty(count, np.float32)
    for i in range(count):
        everyone = EVERYONE * max(everyones[rows[i]], 0.0) * nearest.everyone + LEAST_NEAR
        logs[i] = sums[NOWHERE + i] + everyone
    take_logarithms(logs, count)
    for i in range(count):
        totals[i] += weights[_NEIGHBOURS] * np.float32(NO_OPINION + nearest.enough * (logs[i] - NO_OPINION))


@compiled
def _add_votes(
    customer: int, count: int, weight: float, history: History, table: VoteTable, place: I32, sums: F64, totals: F32
) -> None:
    chosen, shares = np.empty(VOTING, np.int64), np.empty(VOTING, np.float32)
    mine = slice(history.starts[customer], history.starts[customer + 1])
    voters = weightiest(history.weights[mine], VOTING, chosen)
    shares_of(history.weights[mine], chosen, voters, shares)
    sums[: NOWHERE + count] = 0
    voted_for(history.rows[mine], chosen, shares, voters, table, place, sums)
    logs = np.empty(count, np.float32)
    for i in range(count):
        logs[i] = sums[NOWHERE + i] + LEAST_VOTE
    take_logarithms(logs, count)
    for i in range(count):
        totals[i] += weight * logs[i]


@compiled
def order_by_first_stage(k: I64, found: Candidates, shown: Shown) -> None:
    """The `k` best of each customer's candidates where the index alone decides."""
    for customer in range(len(k)):
        scores = found.scores[customer]
        shown.counts[customer] = order_best(
            scores, scores, found.rows[customer], found.counts[customer], k[customer],
            shown.rows[customer], shown.scores[customer],
        )  # fmt: skip
