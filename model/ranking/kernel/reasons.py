"""Why a product is shown: the rows of the history that speak most for it, as `model.ranking.reasons` says."""

import numpy as np

from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.inner_products import compare
from model.ranking.kernel.tables import VoteTable
from model.signals.product_votes import LEAST_VOTE


@compiled
def speak(
    vectors: F32, targets: F32, rows: I64, chosen: I64, shares: F32, count: int, affinity: float, parts: F64
) -> None:
    """Affinity * share * (IN vector . target) of each chosen product of a history into `parts` float64 (shown, own)."""
    ones, others = np.empty(len(targets), np.float32), np.empty(len(targets), np.float32)
    for i in range(0, count, 2):
        j = min(i + 1, count - 1)
        compare(targets, vectors[rows[chosen[i]]], vectors[rows[chosen[j]]], ones, others)
        for shown in range(len(targets)):
            parts[shown, j] = affinity * shares[j] * others[shown]
            parts[shown, i] = affinity * shares[i] * ones[shown]


@compiled
def votes_between(rows: I64, chosen: I64, shares: F32, count: int, table: VoteTable, place: I32, found: F64) -> None:
    """How strongly each chosen product votes for each row that has a place, into `found` float64 (shown, own)."""
    for i in range(count):
        line = table.lines[rows[chosen[i]]]
        if line > 0:
            for j in range(table.rows.shape[1]):
                shown = place[table.rows[line, j]]
                if shown >= 0:
                    found[shown, i] += np.float64(shares[i]) * table.weights[line, j]


@compiled
def add_vote_shares(found: F64, count: int, weight: float, parts: F64) -> None:
    """Add to `parts` each product's share of the votes for a row, times what votes weigh."""
    for shown in range(len(found)):
        total = 0.0
        for i in range(count):
            total += found[shown, i]
        for i in range(count):
            parts[shown, i] += weight * found[shown, i] / (total + LEAST_VOTE)


@compiled
def strongest(parts: F64, count: int, rows: I64, chosen: I64, reasons: I32) -> None:
    """The rows with the greatest positive parts into `reasons` int32 (shown, most), strongest first, -1 = no more."""
    for shown in range(len(reasons)):
        for rank in range(reasons.shape[1]):
            best, most = -1, 0.0
            for i in range(count):
                if parts[shown, i] > most:
                    best, most = i, parts[shown, i]
            if best < 0:
                break
            reasons[shown, rank] = rows[chosen[best]]
            parts[shown, best] = 0.0
