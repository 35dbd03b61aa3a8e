"""The first stage over a whole catalogue: which rows may be shown, and the best of them by score."""

import numpy as np

from model.ranking.kernel.compiled import F32, I64, compiled
from model.ranking.kernel.selection import add_up, select, select_among
from model.ranking.kernel.tables import Candidates, Demand, History, Lent, Limits


@compiled
def find(
    first: int,
    products: F32,
    scale: np.float32,
    wanted: I64,
    demand: Demand,
    history: History,
    limits: Limits,
    lent: Lent,
    found: Candidates,
) -> None:
    """The `wanted` best rows for the customers from `first` on.

    In: `products` float32 (group, n_items), query vector . OUT vector.
    """
    scores = lent.scores
    for at in range(len(products)):
        customer = first + at
        if history.starts[customer] == history.starts[customer + 1]:
            found.counts[customer] = 0
            continue
        add_up(products[at], scale, demand.bias, scores)
        limit(customer, history, limits, scores)
        rows, kept = found.rows[customer], found.scores[customer]
        if limits.listed[customer]:
            among = limits.only[limits.only_starts[customer] : limits.only_starts[customer + 1]]
            count = select_among(scores, among, wanted[customer], lent.passed, lent.places, kept, rows)
        else:
            count = select(scores, wanted[customer], lent.passed, lent.places, kept, rows)
        found.counts[customer] = count
        for i in range(count):
            found.affinity[customer, i] = products[at, rows[i]]


@compiled
def limit(customer: int, history: History, limits: Limits, scores: F32) -> None:
    """Add what is to be added to the `scores`, and minus infinity for what the customer must not be shown."""
    if limits.addend_of[customer] >= 0:
        addend = limits.addends[limits.addend_of[customer]]
        for row in range(len(scores)):
            scores[row] += addend[row]
    if limits.mask_of[customer] >= 0:
        mask = limits.masks[limits.mask_of[customer]]
        for row in range(len(scores)):
            scores[row] = scores[row] if mask[row] else -np.inf
    if not limits.repeats[customer]:
        for at in range(history.starts[customer], history.starts[customer + 1]):
            scores[history.rows[at]] = -np.inf
    for at in range(limits.excluded_starts[customer], limits.excluded_starts[customer + 1]):
        scores[limits.excluded[at]] = -np.inf
