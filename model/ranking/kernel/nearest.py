"""The neighbours of a micro-batch: points, and the nearest of all slots."""

import numpy as np

from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.features import weigh_neighbours
from model.ranking.kernel.selection import select
from model.ranking.kernel.tables import Lent

_TINY = np.float32(1.1754944e-38)


@compiled
def points(queries: F32, centre: F32, out: F32) -> None:
    """The query vectors less the `centre`, at length 1, into `out`."""
    for customer in range(len(queries)):
        length = np.float32(0)
        for i in range(len(centre)):
            out[customer, i] = queries[customer, i] - centre[i]
            length += out[customer, i] * out[customer, i]
        length = max(np.sqrt(length), _TINY)
        for i in range(len(centre)):
            out[customer, i] /= length


@compiled
def find_nearest(first: int, cosines: F32, count: int, own: I64, lent: Lent, slots: I32, weights: F64) -> None:
    """The `count` nearest slots for the customers from `first` on, and their weights; less where there are fewer.

    In: `cosines` float32 (group, slots); `own` int64 (n,), each customer's own slot, -1 = none. Out: both
    (n, count).
    """
    kept = np.empty(count, np.float32)
    for at in range(len(cosines)):
        customer = first + at
        some = select(cosines[at], count, lent.passed, lent.places, kept, slots[customer])
        slots[customer, some:] = 0
        weights[customer, some:] = 0.0
        weigh_neighbours(kept, slots[customer], some, own[customer], weights[customer])
