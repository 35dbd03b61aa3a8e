"""Purchases by slot, end to end in a few arrays, so that those of many slots are gathered at once.

What is dropped leaves a gap; when the arrays are full, they are packed, and made larger if that is not enough.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


class RecentPurchases:
    """Rows, times and counts of the purchases in each slot."""

    def __init__(self) -> None:
        """Start with no purchases."""
        self.rows = np.zeros(1024, np.int64)
        self.counts = np.zeros(1024)
        self._times = np.zeros(1024, np.int64)
        self.starts = np.zeros(256, np.int64)  # by slot
        self.sizes = np.zeros(256, np.int64)  # by slot
        self._used = 0

    def put(
        self, slot: int, rows: NDArray[np.integer], times: NDArray[np.integer], counts: NDArray[np.float64]
    ) -> None:
        """Fill a slot that is empty."""
        if slot >= len(self.starts):
            self.starts, self.sizes = (np.pad(array, (0, slot)) for array in (self.starts, self.sizes))
        if self._used + len(rows) > len(self.rows):
            self._pack(len(rows))
        self.starts[slot], self.sizes[slot] = self._used, len(rows)
        mine = slice(self._used, self._used + len(rows))
        self.rows[mine], self._times[mine], self.counts[mine] = rows, times, counts
        self._used = mine.stop

    def drop(self, slot: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Empty a slot; returns the rows and counts that were in it."""
        mine = slice(self.starts[slot], self.starts[slot] + self.sizes[slot])
        self.sizes[slot] = 0
        return self.rows[mine].copy(), self.counts[mine].copy()

    def places(self, slots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the purchases in these slots are, one slot after the other, and how many each has."""
        sizes = self.sizes.take(slots)
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.starts.take(slots) - (ends - sizes), sizes)
        return places, sizes

    def newest_s(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 (n,): the time of the newest purchase in each of these slots, none of which is empty."""
        places, sizes = self.places(slots)
        newest: NDArray[np.int64] = np.maximum.reduceat(self._times.take(places), np.cumsum(sizes) - sizes)
        return newest

    def recount(
        self, slots: NDArray[np.int64], since_s: int, counts: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """Let every purchase count what `counts` says of its time, and nothing when it is older than `since_s`.

        Returns the rows and counts of all in these slots, and which slots have nothing that is newer.
        """
        places, sizes = self.places(slots)
        times = self._times.take(places)
        old = times < since_s
        self.counts[places] = np.where(old, 0.0, counts(times))
        owner = np.repeat(np.arange(len(slots)), sizes)
        return self.rows[places], self.counts[places], np.bincount(owner[~old], minlength=len(slots)) == 0

    def _pack(self, more: int) -> None:
        """Close the gaps, and leave as much room again."""
        some = np.flatnonzero(self.sizes)
        places, sizes = self.places(some)
        room = max(2 * (len(places) + more), 1024)
        for name in ("rows", "_times", "counts"):
            old = getattr(self, name)
            new = np.zeros(room, old.dtype)
            new[: len(places)] = old.take(places)
            setattr(self, name, new)
        self.starts[some] = np.cumsum(sizes) - sizes
        self._used = len(places)
