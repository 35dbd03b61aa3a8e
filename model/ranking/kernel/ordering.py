"""The second stage's order: the best of the candidates by their totals, ties as the first stage had them."""

import numpy as np

from model.ranking.kernel.compiled import F32, I32, I64, compiled

_FEW = 64  # so many are put in order by insertion


@compiled
def order_best(
    totals: F32, first_stage: F32, rows: I32, count: int, wanted: int, out_rows: I32, out_scores: F32
) -> int:
    """The `wanted` best of `count` candidates, best first, into the two arrays; returns how many.

    Of equal totals the one with the greater first-stage score comes first, then the lesser row.
    """
    wanted = min(wanted, count)
    if wanted == 0:
        return 0
    if wanted > _FEW:
        places = _all_in_order(totals, first_stage, rows, count)
    else:
        places = _best_in_order(totals, first_stage, rows, count, wanted)
    for i in range(wanted):
        out_rows[i], out_scores[i] = rows[places[i]], totals[places[i]]
    return wanted


@compiled
def _best_in_order(totals: F32, first_stage: F32, rows: I32, count: int, wanted: int) -> I64:
    places, used = np.empty(wanted, np.int64), 0
    for i in range(count):
        if used == wanted and not _ahead(i, places[used - 1], totals, first_stage, rows):
            continue
        j = used if used < wanted else used - 1
        while j > 0 and _ahead(i, places[j - 1], totals, first_stage, rows):
            places[j] = places[j - 1]
            j -= 1
        places[j] = i
        used = min(used + 1, wanted)
    return places


@compiled
def _all_in_order(totals: F32, first_stage: F32, rows: I32, count: int) -> I64:
    """Sorted by the last criterion first, each time keeping the order of what is equal."""
    places = np.argsort(rows[:count], kind="mergesort")
    places = places[np.argsort(-first_stage[:count][places], kind="mergesort")]
    return places[np.argsort(-totals[:count][places], kind="mergesort")]


@compiled
def _ahead(one: int, other: int, totals: F32, first_stage: F32, rows: I32) -> bool:
    if totals[one] != totals[other]:
        return totals[one] > totals[other]
    if first_stage[one] != first_stage[other]:
        return first_stage[one] > first_stage[other]
    return rows[one] < rows[other]
