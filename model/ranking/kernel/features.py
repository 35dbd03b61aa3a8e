"""What speaks for each candidate beside the vectors: what neighbours bought, and the votes of the customer's products.

A candidate is known by its place: `place` int32 (rows of the model) holds it by row. Every other row has one of eight
places below 0, which `sums` has room for in front: adding there, too, costs less than asking first.
"""

import numpy as np

from model.embeddings.queries import LEAST_SUM
from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.tables import Purchases, VoteTable

_LEAST_SUM = np.float32(LEAST_SUM)
NOWHERE = 8  # places in front of those of the candidates: several, so that no addition waits for the one before


@compiled
def mark(place: I32, rows: I32) -> None:
    """Give these rows their places, in this order."""
    for i in range(len(rows)):
        place[rows[i]] = i


@compiled
def unmark(place: I32, rows: I32) -> None:
    """Take them back."""
    for row in rows:
        place[row] = -1 - row % NOWHERE


@compiled
def weigh_neighbours(cosines: F32, slots: I32, count: int, own: int, weights: F64) -> None:
    """Squares of the positive cosines into `weights` float64, adding up to 1 or 0; the `own` slot weighs 0."""
    total = 0.0
    for i in range(count):
        cosine = np.float64(cosines[i])
        weights[i] = cosine * cosine if cosine > 0 and slots[i] != own else 0.0
        total += weights[i]
    if total > 0:
        for i in range(count):
            weights[i] /= total


@compiled
def bought_near(
    weights: F64, slots: I32, count: int, purchases: Purchases, factor: float, place: I32, sums: F64
) -> None:
    """Add to `sums` float64, by place, what the neighbours bought: weight * count * factor of each purchase."""
    for i in range(count):
        if weights[i] > 0:
            weight, first = weights[i] * factor, purchases.starts[slots[i]]
            for at in range(first, first + purchases.sizes[slots[i]]):
                sums[NOWHERE + place[purchases.rows[at]]] += weight * purchases.counts[at]


@compiled
def voted_for(rows: I64, chosen: I64, shares: F32, count: int, table: VoteTable, place: I32, sums: F64) -> None:
    """Add to `sums` float64, by place, what the `count` chosen products give: share * strength of each vote."""
    for i in range(count):
        line = table.lines[rows[chosen[i]]]
        if line > 0:
            share = np.float64(shares[i])
            for j in range(table.rows.shape[1]):
                sums[NOWHERE + place[table.rows[line, j]]] += share * table.weights[line, j]


@compiled
def shares_of(weights: F32, chosen: I64, count: int, shares: F32) -> None:
    """The shares that the chosen products of one history have among each other, into `shares` float32."""
    total = np.float32(0)
    for i in range(count):
        total += weights[chosen[i]]
    total = max(total, _LEAST_SUM)
    for i in range(count):
        shares[i] = weights[chosen[i]] / total
