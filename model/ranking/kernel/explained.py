"""Why each shown row is shown: the rows of the history that speak most for it."""

import numpy as np

from model.ranking.kernel.compiled import F32, I32, I64, compiled
from model.ranking.kernel.features import mark, shares_of, unmark
from model.ranking.kernel.histories import weightiest
from model.ranking.kernel.reasons import add_vote_shares, speak, strongest, votes_between
from model.ranking.kernel.tables import History, VoteTable
from model.ranking.reasons import REASON_HISTORY


@compiled
def explain(
    vectors: F32,
    targets: F32,
    starts: I64,
    shown: I32,
    affinity: float,
    votes: float,
    history: History,
    table: VoteTable,
    place: I32,
    reasons: I32,
) -> None:
    """Fill `reasons` int32 (n_shown, most), all -1.

    In: `targets` float32 (n_shown, dimension), what the OUT vectors of the shown rows differ by from the average;
    `starts` int64 (n + 1,) and `shown` int32 (n_shown,) as in `Recommended`; what affinity and votes weigh.
    """
    chosen, shares = np.empty(REASON_HISTORY, np.int64), np.empty(REASON_HISTORY, np.float32)
    longest = np.max(starts[1:] - starts[:-1])
    parts = np.empty((longest, REASON_HISTORY), np.float64)
    found = np.empty((longest, REASON_HISTORY), np.float64)
    for customer in range(len(starts) - 1):
        count = starts[customer + 1] - starts[customer]
        if count == 0:
            continue
        mine = slice(history.starts[customer], history.starts[customer + 1])
        rows = history.rows[mine]
        own = weightiest(history.weights[mine], REASON_HISTORY, chosen)
        shares_of(history.weights[mine], chosen, own, shares)
        here = slice(starts[customer], starts[customer + 1])
        speak(vectors, targets[here], rows, chosen, shares, own, affinity, parts)
        if votes != 0:
            found[:count, :own] = 0
            mark(place, shown[here])
            votes_between(rows, chosen, shares, own, table, place, found)
            unmark(place, shown[here])
            add_vote_shares(found[:count], own, votes, parts)
        strongest(parts, own, rows, chosen, reasons[here])
