"""The first stage of a large catalogue, in a few compiled calls for a group of customers."""

import numpy as np
from numpy.typing import NDArray

from model.index.inverted import InvertedRows
from model.ranking.kernel.likely import choose
from model.ranking.kernel.lists import by_list, probe, read
from model.ranking.kernel.memory import fixed, groups
from model.ranking.kernel.tables import Candidates, Demand, History, Lent, Limits, Lists

_SPARE = 32  # rows that may be forbidden, beyond those that are wanted


class ListSearch:
    """Around rows in lists."""

    def __init__(self, rows: InvertedRows) -> None:
        """8 bytes a row beside what is there."""
        self._rows = rows
        layout = rows.layout
        self._middles = layout.middles
        self._longest_together = np.cumsum(np.sort(layout.sizes)[::-1])  # rows of the 1, 2, 3 … longest lists
        self._lists = Lists(
            halves=fixed(layout.halves.view(np.uint16), np.uint16),
            begins=fixed(layout.begins, np.int64),
            sizes=fixed(layout.sizes, np.int64),
            row_starts=fixed(np.cumsum(layout.sizes) - layout.sizes, np.int64),
            rows=fixed(layout.rows, np.int32),
            list_of=fixed(layout.list_of, np.int32),
            place_of=fixed(layout.place_of, np.uint32),
            risen=rows.risen,
            width=layout.width,
            bias_at=rows.dimension - 1,
        )

    def find(
        self,
        queries: NDArray[np.float32],
        scale: np.float32,
        wanted: NDArray[np.int64],
        demand: Demand,
        history: History,
        limits: Limits,
        lent: Lent,
        found: Candidates,
    ) -> None:
        """The `wanted` best rows for each customer, into `found`."""
        lists = self._lists._replace(risen=fixed(self._rows.risen, np.int64))
        asked = np.zeros((len(queries), lists.width), np.float32)
        asked[:, : lists.bias_at] = queries * scale
        asked[:, lists.bias_at] = 1
        probes = self._rows.probes_for(min(int(wanted.max(initial=0)) + _SPARE, len(demand.bias)))
        width = int(self._longest_together[probes - 1])
        for group in groups(len(queries), width // 4):  # most lists are shorter than the longest
            mine = asked[group]
            probed = np.empty((len(mine), probes), np.int32)
            probe(0, mine @ self._middles.T, probes, lent, probed)
            totals, scores, rows = self._read(mine, probed, lists, demand)
            choose(
                group.start, mine, scale, wanted, probed, totals, scores, rows, lists, demand, history, limits, lent,
                found,
            )  # fmt: skip

    @staticmethod
    def _read(
        asked: NDArray[np.float32], probed: NDArray[np.int32], lists: Lists, demand: Demand
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
        starts, offsets = (np.zeros(len(lists.sizes) + 1, np.int64) for _ in range(2))
        customers, places = np.empty(probed.size, np.int32), np.empty(probed.size, np.int64)
        totals = np.empty(len(asked), np.int64)
        by_list(probed, starts, customers, offsets, places, lists.sizes, totals)
        shape = len(asked), int(totals.max(initial=0)) + len(lists.risen)
        scores, rows = np.empty(shape, np.float32), np.empty(shape, np.int32)
        read(asked, lists, demand, starts, customers, places, scores, rows)
        return totals, scores, rows
