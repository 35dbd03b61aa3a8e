"""Search among item vectors: exact, by FAISS, one thread. Only `neighbours.py` calls faiss too, for customers.

`ItemIndex` ranks products for a query by inner product with their OUT vectors plus a bias that is rewritten in place as
purchases arrive; `SimilarItems` finds products whose IN vectors point the same way. Rows are those of the model.
"""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray


class ItemIndex:
    """Rows [OUT vector, bias] in a flat inner-product index: the score of row c for query u is u . out[c] + bias[c].

    Searching while another thread writes biases is not safe; the worker has one thread.
    """

    def __init__(self, flat: Any) -> None:
        """Around a faiss.IndexFlatIP; use `build` or `read`."""
        self._flat = flat
        self.dimension: int = flat.d - 1
        pointer = flat.get_xb()
        # The index's own memory: valid while the index lives and nothing is added, and nothing ever is.
        self._rows: NDArray[np.float32] = faiss.rev_swig_ptr(pointer, flat.ntotal * flat.d).reshape(-1, flat.d)

    @classmethod
    def build(cls, outputs: NDArray[np.float32], bias: NDArray[np.float32]) -> "ItemIndex":
        """From OUT vectors float32 (n_items, dimension) and biases float32 (n_items,), both copied."""
        flat = faiss.IndexFlatIP(outputs.shape[1] + 1)
        flat.add(np.column_stack((outputs, bias)).astype(np.float32))
        return cls(flat)

    @classmethod
    def read(cls, path: Path) -> "ItemIndex":
        """Read a file that `write` made. faiss trusts it: check its checksum first.

        Raises ValueError when it is not such an index, RuntimeError when faiss can not read it.
        """
        flat = faiss.read_index(str(path))
        if not isinstance(flat, faiss.IndexFlatIP):
            kind = type(flat).__name__
            raise ValueError(f"{path}: holds a {kind}, it must be an IndexFlatIP that `write` made")  # noqa: TRY004
        return cls(flat)

    def write(self, path: Path) -> None:
        """Write the index as it is now, biases included."""
        faiss.write_index(self._flat, str(path))

    def __len__(self) -> int:
        """Items in the index."""
        return int(self._flat.ntotal)

    @property
    def outputs(self) -> NDArray[np.float32]:
        """float32 (n_items, dimension): the OUT vectors, a view not to be written."""
        return self._rows[:, :-1]

    @property
    def bias(self) -> NDArray[np.float32]:
        """float32 (n_items,): a copy of the biases in force."""
        return self._rows[:, -1].copy()

    def set_bias(self, rows: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        """Replace the biases of `rows`; the next search uses them."""
        self._rows[rows, -1] = values

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best rows for queries float32 (n, dimension): scores and rows, both (n, min(k, n_items)), best first."""
        return _search(self._flat, _with_one(queries), min(k, len(self)))

    def scores_of(self, query: NDArray[np.float32], rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows),): the exact scores of the given rows for one query float32 (dimension,)."""
        chosen = self._rows[rows]
        scores: NDArray[np.float32] = chosen[:, :-1] @ query + chosen[:, -1]
        return scores


class SimilarItems:
    """Products that go with a product: bought in the same company as it, or next to it.

    An item's score is (cosine with its IN vector + 2 * cosine with its OUT vector, less the mean of all) / 3. On real
    purchases either cosine would do; in a small shop the first says next to nothing, and both together say more than
    the second (tests/benchmarks/bench_similar.py).
    """

    def __init__(self, vectors: NDArray[np.float32], outputs: NDArray[np.float32]) -> None:
        """From IN and OUT vectors, both float32 (n_items, dimension). `vectors` is kept, `outputs` is not."""
        self._vectors = vectors
        points = (_unit(vectors) + 2 * _unit(outputs - outputs.mean(axis=0))) / 3
        self._flat = faiss.IndexFlatIP(vectors.shape[1])
        self._flat.add(points)
        self._points: NDArray[np.float32] = faiss.rev_swig_ptr(self._flat.get_xb(), points.size).reshape(points.shape)

    def __len__(self) -> int:
        """Items in the index."""
        return int(self._flat.ntotal)

    def direction(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (dimension,), length 1: the middle of the given products' IN vectors; zero for no rows."""
        middle: NDArray[np.float32] = _unit(self._vectors[rows]).sum(axis=0)
        return middle / max(float(np.linalg.norm(middle)), float(np.finfo(np.float32).tiny))

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores, -1..1, and rows, both (n, min(k, n_items)), best first; a product may find itself too."""
        return _search(self._flat, queries, min(k, len(self)))

    def scores_of(self, query: NDArray[np.float32], rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows),): the scores of the given rows for one query of length 1."""
        scores: NDArray[np.float32] = self._points[rows] @ query
        return scores


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit


def _search(flat: Any, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if not k or not len(queries):
        return np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)
    faiss.omp_set_num_threads(1)  # the setting belongs to the calling thread; more threads cost latency at this size
    scores, rows = flat.search(np.ascontiguousarray(queries, np.float32), k)
    return scores, rows


def _with_one(queries: NDArray[np.float32]) -> NDArray[np.float32]:
    extended = np.ones((len(queries), queries.shape[1] + 1), np.float32)
    extended[:, :-1] = queries
    return extended
