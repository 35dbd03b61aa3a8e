"""Search among item vectors, by FAISS, one thread. Only `flat_rows`, `inverted_rows` and `neighbours` call it too.

`ItemIndex` ranks products for a query by inner product with their OUT vectors plus a bias that is rewritten in place as
purchases arrive; `SimilarItems` finds products whose IN vectors point the same way. A small catalogue is compared with
a query as a whole, of a large one the likely part. Rows are those of the model.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.index.flat import FlatRows
from model.index.inverted import InvertedRows
from model.purchases.histories import in_parts, spread_over

LARGE = 20_000  # products from which a catalogue is large: the whole of it takes a search longer than 0.2 ms
_DIRECTIONS = 512  # products that the search for similar ones is calibrated with


@dataclass(frozen=True, slots=True)
class IndexForm:
    """How an index searches. No lists: it compares a query with every product, and its recall is 1."""

    lists: int = 0  # into which the products are divided
    probes: int = 0  # of them, those that a search reads
    recall: float = 1.0  # of the exact best ten, measured when it was built


class ItemIndex:
    """Rows [OUT vector, bias]: the score of row c for query u is u . out[c] + bias[c].

    Searching while another thread writes biases is not safe; the worker has one thread.
    """

    def __init__(self, rows: FlatRows | InvertedRows, form: IndexForm = IndexForm()) -> None:
        """Around rows whose last number is the bias; use `build` or `read`."""
        self._rows = rows
        self.form = form
        self.dimension: int = rows.dimension - 1

    @classmethod
    def build(
        cls,
        outputs: NDArray[np.float32],
        bias: NDArray[np.float32],
        queries: NDArray[np.float32] | None = None,
        *,
        large: int = LARGE,
    ) -> "ItemIndex":
        """From OUT vectors float32 (n_items, dimension) and biases float32 (n_items,), both copied.

        With `queries` such as it will get, float32 (n, dimension), it need not be exact from `large` items on.
        """
        matrix = np.column_stack((outputs, bias)).astype(np.float32)
        if queries is None or not len(queries) or len(matrix) < large:
            return cls(FlatRows.build(matrix))
        rows = InvertedRows.build(matrix)
        recall = rows.calibrate(matrix, _with_one(queries))
        return cls(rows, IndexForm(rows.lists, rows.probes, recall))

    @classmethod
    def read(cls, path: Path, dimension: int, form: IndexForm = IndexForm()) -> "ItemIndex":
        """Read a file that `write` made, as `form` says it was built. faiss trusts it: check its checksum first.

        Raises ValueError when it is not such an index, RuntimeError when faiss can not read it.
        """
        rows = (InvertedRows if form.lists else FlatRows).read(path, dimension + 1)
        return cls(rows, form)

    def write(self, path: Path) -> None:
        """Write the index as it is now, biases included."""
        self._rows.write(path)

    def with_bias(self, bias: NDArray[np.float32]) -> "ItemIndex":
        """A copy with other biases, float32 (n_items,)."""
        other = ItemIndex(self._rows.copy(), self.form)
        other.set_bias(np.arange(len(self)), bias)
        return other

    def __len__(self) -> int:
        """Items in the index."""
        return len(self._rows)

    @property
    def outputs(self) -> NDArray[np.float32]:
        """float32 (n_items, dimension): the OUT vectors, not to be written. A copy of all where there are lists."""
        return self._rows.every()[:, :-1]

    @property
    def lists(self) -> InvertedRows | None:
        """The rows where they are divided into lists; None where all of them are compared."""
        return self._rows if isinstance(self._rows, InvertedRows) else None

    def outputs_of(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows), dimension): the OUT vectors of some rows."""
        return self._rows.take(rows)[:, :-1]

    def average_output(self) -> NDArray[np.float32]:
        """float32 (dimension,): the mean of the OUT vectors."""
        parts = in_parts(len(self))
        total = sum(self.outputs_of(rows).sum(axis=0, dtype=np.float64) for rows in parts)
        return np.asarray(total / len(self), np.float32)

    @property
    def bias(self) -> NDArray[np.float32]:
        """float32 (n_items,): a copy of the biases in force."""
        return self._rows.last()

    def set_bias(self, rows: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        """Replace the biases of `rows`; the next search uses them."""
        self._rows.set_last(rows, values)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best rows for queries float32 (n, dimension): scores and rows, both (n, min(k, n_items)), best first.

        Row -1 stands where no more was found.
        """
        return _search(self._rows, _with_one(queries), min(k, len(self)))

    def scores_of(self, query: NDArray[np.float32], rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows),): the scores of the given rows for one query float32 (dimension,)."""
        chosen = self._rows.take(rows)
        scores: NDArray[np.float32] = chosen[:, :-1] @ query + chosen[:, -1]
        return scores


class SimilarItems:
    """Products that go with a product: bought in the same company as it, or next to it.

    An item's score is (cosine with its IN vector + 2 * cosine with its OUT vector, less the mean of all) / 3. On real
    purchases either cosine would do; in a small shop the first says next to nothing, and both together say more than
    the second (tests/benchmarks/bench_similar.py).
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        points: FlatRows | InvertedRows,
        form: IndexForm = IndexForm(),
    ) -> None:
        """Around IN vectors and rows [what a direction is compared with, 0]; use `build` or `read`."""
        self._vectors = vectors
        self._points = points
        self.form = form

    @classmethod
    def build(cls, vectors: NDArray[np.float32], outputs: NDArray[np.float32], *, large: int = LARGE) -> "SimilarItems":
        """From IN and OUT vectors, both float32 (n_items, dimension). `vectors` is kept, `outputs` is not."""
        matrix = np.zeros((len(vectors), vectors.shape[1] + 1), np.float32)
        matrix[:, :-1] = (_unit(vectors) + 2 * _unit(outputs - outputs.mean(axis=0))) / 3
        if len(matrix) < large:
            return cls(vectors, FlatRows.build(matrix))
        rows = InvertedRows.build(matrix)
        some = spread_over(len(matrix), _DIRECTIONS)
        recall = rows.calibrate(matrix, _with_one(_unit(vectors[some])))
        return cls(vectors, rows, IndexForm(rows.lists, rows.probes, recall))

    @classmethod
    def read(
        cls,
        path: Path,
        vectors: NDArray[np.float32],
        form: IndexForm = IndexForm(),
    ) -> "SimilarItems":
        """Read a file that `write` made of the same IN vectors, as `ItemIndex.read` does."""
        dimension = vectors.shape[1] + 1
        rows = InvertedRows.read(path, dimension, mapped=True) if form.lists else FlatRows.read(path, dimension)
        return cls(vectors, rows, form)

    def write(self, path: Path) -> None:
        """Write all but the IN vectors."""
        self._points.write(path)

    def __len__(self) -> int:
        """Items in the index."""
        return len(self._points)

    def direction(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (dimension,), length 1: the middle of the given products' IN vectors; zero for no rows."""
        middle: NDArray[np.float32] = _unit(self._vectors[rows]).sum(axis=0)
        return middle / max(float(np.linalg.norm(middle)), float(np.finfo(np.float32).tiny))

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores, -1..1, and rows, both (n, min(k, n_items)), best first; a product may find itself too."""
        return _search(self._points, _with_one(queries), min(k, len(self)))

    def scores_of(self, query: NDArray[np.float32], rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """float32 (len(rows),): the scores of the given rows for one query of length 1."""
        scores: NDArray[np.float32] = self._points.take(rows)[:, :-1] @ query
        return scores


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit


def _search(
    among: FlatRows | InvertedRows, queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if not k or not len(queries):
        return np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)
    return among.search(queries, k)


def _with_one(queries: NDArray[np.float32]) -> NDArray[np.float32]:
    extended = np.ones((len(queries), queries.shape[1] + 1), np.float32)
    extended[:, :-1] = queries
    return extended
