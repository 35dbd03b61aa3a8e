"""The neighbours of a micro-batch: from lists that are kept and repaired, or of all slots."""

import numpy as np
from numpy.typing import NDArray

from model.ranking.kernel.kept_nearest import divide, fingerprints, repair
from model.ranking.kernel.memory import fixed, groups
from model.ranking.kernel.nearest import find_nearest
from model.ranking.kernel.tables import KeptNearest, Lent
from model.signals.neighbours import NeighbourArrays

_WIDTH = 160  # slots of a list
_PLACES = 16_384  # lists, 1.3 KB each, that take memory once a customer is kept there: 22 MB at most
_LEAST_SLOTS = 4096  # with fewer, comparing with all is as fast
_CHANGES = 0.5  # as many changes as a share of the slots are repaired; a purchase is two, of one slot


class NearestSearch:
    """Of one index of neighbours, whose changes are counted on and on. One thread."""

    def __init__(self, *, places: int = _PLACES, width: int = _WIDTH, least_slots: int = _LEAST_SLOTS) -> None:
        """`places` lists of `width` slots are kept once there are `least_slots`."""
        self._least_slots = least_slots
        self._none = _empty(0, width)
        self._kept = _empty(places, width)

    def find(
        self,
        customers: NDArray[np.int64],
        points: NDArray[np.float32],
        own: NDArray[np.int64],
        arrays: NeighbourArrays,
        count: int,
        lent: Lent,
        slots: NDArray[np.int32],
        weights: NDArray[np.float64],
    ) -> None:
        """The `count` nearest slots and their weights, (n, count) both, in no order; 0 where there are fewer.

        In: numbers of the customers (n,), 0 = unknown; their `points` (n, dimension) of length 1; their `own` slots,
        -1 = none. What is `lent` is as long as there are slots.
        """
        prints = np.zeros(len(customers), np.int64)
        compared, kept = np.arange(len(customers)), self._none
        if len(arrays.points) >= self._least_slots:
            kept = self._kept
            fingerprints(points.view(np.int32), prints)
            compared = self._repaired(customers, points, prints, own, arrays, count, slots, weights)
        for group in groups(len(compared), len(arrays.points)):
            among = compared[group]
            cosines = points[among] @ arrays.points.T
            find_nearest(among, cosines, count, customers, prints, own, arrays.changes, lent, kept, slots, weights)

    def _repaired(
        self,
        customers: NDArray[np.int64],
        points: NDArray[np.float32],
        prints: NDArray[np.int64],
        own: NDArray[np.int64],
        arrays: NeighbourArrays,
        count: int,
        slots: NDArray[np.int32],
        weights: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """The same for who has a list; returns the positions of all others."""
        kept, changes = self._kept, arrays.changes
        known, others = np.empty(len(customers), np.int64), np.empty(len(customers), np.int64)
        found = divide(customers, prints, changes - int(_CHANGES * len(arrays.points)), kept, known, others)
        missed = len(customers) - found
        if not found:
            return others
        oldest = kept.changes[customers[known[:found]] % len(kept.customers)].min()
        changed = np.flatnonzero(arrays.changed_at > oldest)
        written = arrays.points[changed]
        changed_at = fixed(arrays.changed_at, np.int64)
        for group in groups(found, len(changed)):
            among = known[:found][group]
            missed += repair(
                among, points[among] @ written.T, changed, changed_at, changes, count, customers, own, kept, slots,
                weights, others[missed:],
            )  # fmt: skip
        return others[:missed]


def _empty(places: int, width: int) -> KeptNearest:
    return KeptNearest(
        customers=np.zeros(places, np.int64),
        prints=np.zeros(places, np.int64),
        changes=np.zeros(places, np.int64),
        sizes=np.zeros(places, np.int64),
        floors=np.zeros(places, np.float32),
        slots=np.zeros((places, width), np.int32),
        cosines=np.zeros((places, width), np.float32),
    )
