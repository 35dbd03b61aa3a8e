"""Rows of numbers, all of them compared with a query: exact, and what a small catalogue is searched by."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

# Numbers in the queries (queries * dimension) from which faiss multiplies all of them at once: cheaper than one query
# after the other, but for a few. Its own default, 128,000, is above every micro-batch.
faiss.cvar.distance_compute_blas_threshold = 2000


class FlatRows:
    """A faiss.IndexFlatIP whose last column can be rewritten in place. One thread."""

    def __init__(self, flat: Any) -> None:
        """Around a faiss.IndexFlatIP, to which nothing is added any more."""
        self._flat = flat
        self.dimension: int = flat.d
        # The index's own memory: valid while the index lives and does not grow.
        self._stored: NDArray[np.float32] = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(-1, flat.d)

    @classmethod
    def build(cls, matrix: NDArray[np.float32]) -> "FlatRows":
        """From float32 (n, dimension), copied."""
        flat = faiss.IndexFlatIP(matrix.shape[1])
        flat.add(np.ascontiguousarray(matrix, np.float32))
        return cls(flat)

    @classmethod
    def read(cls, path: Path, dimension: int) -> "FlatRows":
        """Read what `write` wrote. Raises ValueError when it is something else, RuntimeError when faiss can not."""
        flat = faiss.read_index(str(path))
        if not isinstance(flat, faiss.IndexFlatIP) or flat.d != dimension:
            kind = f"{type(flat).__name__} of {flat.d} columns"
            raise ValueError(f"{path}: holds a {kind}, it must be an IndexFlatIP of {dimension} that `write` made")
        return cls(flat)

    def copy(self) -> "FlatRows":
        """A copy of these rows, to be rewritten apart from them."""
        return FlatRows.build(self._stored)

    def write(self, path: Path) -> None:
        """Write the rows as they are now."""
        faiss.write_index(self._flat, str(path))

    def __len__(self) -> int:
        """Rows."""
        return int(self._flat.ntotal)

    def every(self) -> NDArray[np.float32]:
        """float32 (n, dimension): all rows, a view not to be written."""
        return self._stored

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows), dimension): a copy of these rows."""
        taken: NDArray[np.float32] = self._stored[rows]
        return taken

    def last(self) -> NDArray[np.float32]:
        """float32 (n,): a copy of the last column."""
        return self._stored[:, -1].copy()

    def set_last(self, rows: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        """Replace the last number of `rows`; the next search uses it."""
        self._stored[rows, -1] = values

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best rows for queries float32 (n, dimension): scores and rows, both (n, k), best first."""
        return nearest_rows(self._flat, queries, k)


def nearest_rows(flat: Any, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Inner products and rows of a faiss.IndexFlatIP, both (n, k), best first, for queries float32 (n, dimension)."""
    faiss.omp_set_num_threads(1)  # the setting belongs to the calling thread; more threads cost latency
    found: tuple[NDArray[np.float32], NDArray[np.int64]] = flat.search(np.ascontiguousarray(queries, np.float32), k)
    return found
