"""Rows of numbers of which a query is compared with the likely ones only: what a large catalogue is searched by.

FAISS divides the rows into 4 * sqrt(n) lists by k-means, and a search reads the most promising: how many is found when
the rows are laid out, from queries like those it will get. A list promises what its middle and the greatest last number
in it would score. That number can be rewritten in place: a row that has risen above what its list promises is compared
with every query by itself, so that it does not draw the readers to its neighbours. Rows are kept in half precision, in
one block of memory that is also the file.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from model.index.list_layout import ListLayout, block_layout
from model.purchases.histories import in_parts

_LIST_FACTOR = 4.0  # lists = factor * sqrt(n)
_POINTS_A_LIST = 40  # k-means looks at so many rows a list
_ROUNDS = 10  # of k-means; 25 find the same neighbours and take twice as long
_LANES = 8  # FAISS reads half precision a number at a time, six times slower, where rows are no multiple of this
_COMPARED = 10  # recall is that of the best ten
_TARGET = 0.996  # of the best ten found in the calibration: above what is promised, for other queries come
_SPARED = 0.001  # of recall, for which nobody reads a quarter of all lists
_TOLERATED = 1.0  # by so much a last number may pass what its list promises before it counts as risen
_MOST_RISEN = 4096  # rows compared one by one; where there are more, the lists of the least promise more
_DEPTH = 20  # lists enough to hold so many times the rows asked for


class InvertedRows:
    """A faiss.IndexIVFScalarQuantizer over a block of bytes. Not safe to search while another thread writes."""

    def __init__(self, block: NDArray[np.uint8], dimension: int) -> None:
        """Around a serialised index; `dimension` is that of the rows before they were filled up."""
        self._block = block  # the lists are views into it
        self._ivf = _opened(block, dimension)
        self.dimension = dimension
        self._filled: int = self._ivf.d
        layout = block_layout(self._ivf, block)
        odd = int(layout.begins[layout.sizes > 0][0]) % 2  # FAISS aligns nothing, but every list alike
        self._halves: NDArray[np.float16] = block[odd : len(block) - (len(block) - odd) % 2].view(np.float16)
        self._begins = (layout.begins - odd) // 2  # by list, in `_halves`
        self._sizes = layout.sizes
        self._place = np.zeros(len(self), np.uint32)  # by row: where it begins in `_halves`
        self._list = np.zeros(len(self), np.min_scalar_type(self.lists))  # by row
        for number, (begin, rows) in enumerate(zip(self._begins.tolist(), layout.rows, strict=True)):
            self._place[rows] = begin + np.arange(len(rows)) * self._filled
            self._list[rows] = number
        self._peaks = layout.middles[:, dimension - 1]  # by list: the greatest last number that it promises
        self._risen = np.zeros(0, np.int64)  # ascending
        self._risen_rows = self.take(self._risen)
        self._see_all_risen()

    @classmethod
    def build(cls, matrix: NDArray[np.float32]) -> "InvertedRows":
        """From float32 (n, dimension). Takes 20 s of one processor for a million rows of 64; then `calibrate` it."""
        faiss.omp_set_num_threads(1)
        points = _filled_up(matrix, _up_to_lanes(matrix.shape[1]))
        middles = faiss.IndexFlatIP(points.shape[1])
        lists = int(_LIST_FACTOR * len(points) ** 0.5)
        half = faiss.ScalarQuantizer.QT_fp16
        ivf = faiss.IndexIVFScalarQuantizer(middles, points.shape[1], lists, half, faiss.METRIC_INNER_PRODUCT)
        ivf.by_residual = False
        ivf.cp.max_points_per_centroid = _POINTS_A_LIST
        ivf.cp.min_points_per_centroid = 1  # a small catalogue is no fault
        ivf.cp.niter = _ROUNDS
        ivf.train(points)
        ivf.add(points)
        built = cls(faiss.serialize_index(ivf), matrix.shape[1])
        built._promise()
        return built

    @classmethod
    def read(cls, path: Path, dimension: int, *, mapped: bool = False) -> "InvertedRows":
        """Read what `write` wrote. Raises ValueError when it is something else, RuntimeError when faiss can not.

        `mapped`: leave the rows in the file, whose memory all processes share; `set_last` must then not be called.
        """
        try:
            return cls(np.asarray(np.memmap(path, mode="r")) if mapped else np.fromfile(path, np.uint8), dimension)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def _promise(self) -> None:
        """Put the mean of each list in the place of k-means' middle, its greatest last number in that of its own."""
        middles = block_layout(self._ivf, self._block).middles
        for i in range(self.lists):
            mine = self._in_list(i)
            middles[i] = mine.mean(axis=0, dtype=np.float32) if len(mine) else 0.0
            self._peaks[i] = mine[:, self.dimension - 1].max(initial=-np.inf)
        self._see_all_risen()

    def _in_list(self, number: int) -> NDArray[np.float16]:
        begin, size = int(self._begins[number]), int(self._sizes[number])
        return self._halves[begin : begin + size * self._filled].reshape(size, self._filled)

    def copy(self) -> "InvertedRows":
        """A copy of these rows, to be rewritten apart from them."""
        other = InvertedRows(self._block.copy(), self.dimension)
        other.probes = self.probes  # the block has those of when it was read
        return other

    def write(self, path: Path) -> None:
        """Write the rows as they are now, and the calibration."""
        faiss.write_index(self._ivf, str(path))

    def calibrate(self, matrix: NDArray[np.float32], queries: NDArray[np.float32]) -> float:
        """Set how many lists a search reads: so few that .996 of the exact best ten of `matrix` are found still.

        Every other one of `queries` float32 (n, dimension) chooses; returned is the recall of the rest.
        """
        k = min(_COMPARED, len(self))
        _, exact = faiss.knn(queries, np.ascontiguousarray(matrix, np.float32), k, metric=faiss.METRIC_INNER_PRODUCT)
        steps = _ladder(self.lists)
        self.probes = steps[-1]
        enough = min(_TARGET, self._recall(queries[::2], exact[::2]) - _SPARED)  # half precision has its limit, too
        for probes in steps:
            self.probes = probes
            if self._recall(queries[::2], exact[::2]) >= enough:
                break
        return self._recall(queries[1::2], exact[1::2])

    def _recall(self, queries: NDArray[np.float32], exact: NDArray[np.int64]) -> float:
        _, found = self.search(queries, exact.shape[1])
        shared = [len(set(mine) & set(best)) for mine, best in zip(found.tolist(), exact.tolist(), strict=True)]
        return sum(shared) / max(exact.size, 1)

    def __len__(self) -> int:
        """Rows."""
        return int(self._ivf.ntotal)

    @property
    def lists(self) -> int:
        """Into how many lists the rows are divided."""
        return int(self._ivf.nlist)

    @property
    def probes(self) -> int:
        """How many of them a search for few rows reads."""
        return int(self._ivf.nprobe)

    @probes.setter
    def probes(self, lists: int) -> None:
        self._ivf.nprobe = lists

    def every(self) -> NDArray[np.float32]:
        """float32 (n, dimension): a copy of all rows, rounded to half precision."""
        return self.take(np.arange(len(self)))

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows), dimension): these rows, rounded to half precision."""
        every = np.lib.stride_tricks.sliding_window_view(self._halves, self.dimension)
        taken: NDArray[np.float32] = every[self._place[rows]].astype(np.float32)
        return taken

    def last(self) -> NDArray[np.float32]:
        """float32 (n,): a copy of the last column."""
        return np.concatenate([self._last_of(rows) for rows in in_parts(len(self))])

    def _last_of(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        numbers: NDArray[np.float32] = self._halves[self._last_places(rows)].astype(np.float32)
        return numbers

    def _last_places(self, rows: NDArray[np.integer]) -> NDArray[np.uint32]:
        places: NDArray[np.uint32] = self._place[rows] + np.uint32(self.dimension - 1)
        return places

    def set_last(self, rows: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        """Replace the last number of `rows`, none of them named twice; the next search uses it."""
        self._halves[self._last_places(rows)] = values
        self._see_risen(rows, values)

    def _see_all_risen(self) -> None:
        for rows in in_parts(len(self)):
            self._see_risen(rows, self._last_of(rows))

    def _see_risen(self, rows: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        """Note which of `rows` have risen above the promise of their list, now that `values` are their last numbers."""
        above = values > self._peaks[self._list[rows]] + _TOLERATED
        if not above.any() and not len(self._risen):
            return
        risen = np.union1d(np.setdiff1d(self._risen, rows[~above]), rows[above])
        if not np.array_equal(risen, self._risen):
            self._risen = self._greatest(risen)
            self._risen_rows = self.take(self._risen)
        else:
            self._risen_rows[np.searchsorted(self._risen, rows[above]), -1] = self._last_of(rows[above])

    def _greatest(self, risen: NDArray[np.int64]) -> NDArray[np.int64]:
        """So many of these rows as may be compared one by one; the lists of the others promise what they need."""
        if len(risen) <= _MOST_RISEN:
            return risen
        last = self._last_of(risen)
        order = np.argsort(-last, kind="stable")
        np.maximum.at(self._peaks, self._list[risen[order[_MOST_RISEN:]]], last[order[_MOST_RISEN:]])
        return np.sort(risen[order[:_MOST_RISEN]])

    def probes_for(self, k: int) -> int:
        """How many lists a search for `k` rows reads: more for a greater k, all when k is the number of rows."""
        deep = -(-_DEPTH * k * self.lists // len(self))
        return self.lists if k >= len(self) else min(max(self.probes, deep), self.lists)

    @cached_property
    def layout(self) -> ListLayout:
        """Where everything is, not to be written; worked out once, in tens of milliseconds for a million rows."""
        every = block_layout(self._ivf, self._block)
        return ListLayout(
            halves=self._halves,
            begins=self._begins,
            sizes=self._sizes,
            rows=np.concatenate(every.rows).astype(np.int32),
            list_of=self._list.astype(np.int32),
            place_of=self._place,
            middles=every.middles,
            width=self._filled,
        )

    @property
    def risen(self) -> NDArray[np.int64]:
        """Ascending, the rows above what their list promises: they are to be compared with every query."""
        return self._risen

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Likely the best rows for queries float32 (n, dimension): scores and rows, both (n, k), best first.

        Row -1 fills up what is missing.
        """
        faiss.omp_set_num_threads(1)
        reading = faiss.SearchParametersIVF(nprobe=self.probes_for(k))  # type: ignore[call-arg]  # faiss's stubs know no arguments
        found: tuple[NDArray[np.float32], NDArray[np.int64]] = self._ivf.search(
            _filled_up(queries, self._filled), k, params=reading
        )
        return self._with_risen(queries, *found) if len(self._risen) else found

    def _with_risen(
        self, queries: NDArray[np.float32], scores: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """What the lists gave, and the risen rows where they belong among it."""
        k, lowest = scores.shape[1], np.finfo(np.float32).min
        scores[np.isin(rows, self._risen)] = lowest
        risen_scores, places = faiss.knn(
            np.ascontiguousarray(queries), self._risen_rows, min(k, len(self._risen)), metric=faiss.METRIC_INNER_PRODUCT
        )
        scores = np.concatenate((scores, risen_scores), axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(scores, best, axis=1)
        rows = np.take_along_axis(np.concatenate((rows, self._risen[places]), axis=1), best, axis=1)
        rows[scores <= lowest] = -1
        return scores, rows


def _opened(block: NDArray[np.uint8], dimension: int) -> Any:
    """The index in these bytes, reading its lists where they are."""
    in_place = faiss.ZeroCopyIOReader(faiss.swig_ptr(block), block.nbytes)  # type: ignore[attr-defined]  # stubs lag
    ivf: Any = faiss.read_index(in_place)
    if not isinstance(ivf, faiss.IndexIVFScalarQuantizer) or ivf.d != _up_to_lanes(dimension):
        kind = f"{type(ivf).__name__} of {ivf.d} columns"
        raise ValueError(f"holds a {kind}, it must be an IndexIVFScalarQuantizer of {dimension} that `write` made")
    return ivf


def _ladder(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, … up to a quarter of the lists."""
    steps = sorted({int(base * 2**power) for base in (1, 1.5) for power in range(32)} - {0})
    return [step for step in steps if step <= max(most // 4, 1)]


def _up_to_lanes(dimension: int) -> int:
    return -(-dimension // _LANES) * _LANES


def _filled_up(matrix: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    """The rows with zeros behind them."""
    filled = np.zeros((len(matrix), dimension), np.float32)
    filled[:, : matrix.shape[1]] = matrix
    return filled
