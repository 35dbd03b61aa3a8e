"""Why a product is shown: the rows of the history that speak most for it, as `model.ranking.reasons` says."""

import numpy as np

from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.tables import VoteTable


@compiled
def speak(
    vectors: F32, targets: F32, rows: I64, chosen: I64, shares: F32, count: int, affinity: float, parts: F64
) -> None:
    """Affinity * share * (IN vector . target) of each chosen product of a history into `parts` float64 (shown, own)."""
    whole = len(targets) - len(targets) % 4
    for i in range(count):
        vector, times = vectors[rows[chosen[i]]], affinity * shares[i]
        for shown in range(0, whole, 4):
            _four(vector, targets, shown, times, parts[:, i])
        for shown in range(whole, len(targets)):
            product = np.float32(0)
            for d in range(len(vector)):
                product += vector[d] * targets[shown, d]
            parts[shown, i] = times * product


@compiled
def _four(vector: F32, targets: F32, first: int, times: float, parts: F64) -> None:
    """Four at once, for which the vector is read once."""
    one, two, three, four = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for d in range(len(vector)):
        one += vector[d] * targets[first, d]
        two += vector[d] * targets[first + 1, d]
        three += vector[d] * targets[first + 2, d]
        four += vector[d] * targets[first + 3, d]
    parts[first], parts[first + 1], parts[first + 2], parts[first + 3] = (
        times * one, times * two, times * three, times * four,
    )  # fmt: skip


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
def add_vote_shares(found: F64, count: int, weight: float, least: float, parts: F64) -> None:
    """Add to `parts` each product's share of the votes for a row, times what votes weigh."""
    for shown in range(len(found)):
        total = 0.0
        for i in range(count):
            total += found[shown, i]
        for i in range(count):
            parts[shown, i] += weight * found[shown, i] / (total + least)


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
