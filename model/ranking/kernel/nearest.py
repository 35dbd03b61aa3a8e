"""The neighbours of a micro-batch: points, and the nearest of all slots."""

import numpy as np

from model.ranking.kernel.compiled import F32, F64, I32, I64, compiled
from model.ranking.kernel.kept_nearest import keep, show
from model.ranking.kernel.selection import select
from model.ranking.kernel.tables import KeptNearest, Lent

_TINY = np.float32(1.1754944e-38)


@compiled
def points_of(queries: F32, centre: F32, out: F32) -> None:
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
def find_nearest(
    compared: I64,
    cosines: F32,
    count: int,
    customers: I64,
    prints: I64,
    own: I64,
    changes: int,
    lent: Lent,
    kept: KeptNearest,
    slots: I32,
    weights: F64,
) -> None:
    """The `count` nearest slots for the customers `compared`, and their weights; less where there are fewer.

    In: `cosines` float32 (compared, slots); `customers`, `prints` and `own` int64 (n,): numbers, fingerprints of
    their points, and own slots, -1 = none. Out: `slots` and `weights` (n, count), and the lists of those who can be
    kept.
    """
    room = max(count, kept.slots.shape[1])
    best, places = np.empty(room, np.float32), np.empty(room, np.int32)
    for at in range(len(cosines)):
        i = compared[at]
        keeps = customers[i] > 0 and len(kept.customers) > 0
        some = select(cosines[at], room if keeps else count, lent.passed, lent.places, best, places)
        if keeps:
            keep(customers[i], prints[i], changes, best, places, some, kept)
        show(best, places, some, count, own[i], slots[i], weights[i])
