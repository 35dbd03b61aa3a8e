"""A catalogue of any size that looks like a learnt one: real item vectors, each product with many near copies.

Vectors are learnt from real purchases where there are some, else from made-up ones. Then every product is repeated with
a little noise, as far from its like as its nearest neighbour is, and a bias of its own. Queries are the histories of
customers, each product replaced by one of its copies.
"""

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from model.embeddings import item2vec
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.purchases.histories import Histories
from model.signals.demand import Demand
from tests.benchmarks.bench_brands import purchases
from tests.benchmarks.generated import Shop

DIMENSION = 64
_CUSTOMERS = 2000  # whose histories are queries
_CLOSE = 0.6  # of the distance between nearest neighbours: IN vectors of rare products lie apart
_BIAS_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class LargeCatalogue:
    """Rows are products."""

    source: str
    vectors: NDArray[np.float32]  # IN (n, 64)
    outputs: NDArray[np.float32]  # OUT (n, 64)
    bias: NDArray[np.float32]
    bought: list[NDArray[np.int64]]  # by customer, rows
    queries: NDArray[np.float32]  # (customers, 64) the mean of what each bought


@dataclass(frozen=True, slots=True)
class Learnt:
    """The vectors that the large catalogue is made from."""

    source: str
    model: Item2vec
    bias: NDArray[np.float32]
    bought: list[NDArray[np.int64]]

    def spread(self, products: int, seed: int = 5) -> LargeCatalogue:
        """At least so many products."""
        random = np.random.default_rng(seed)
        copies = -(-products // len(self.model.keys))
        vectors = _noisy(random, self.model.vectors, copies, _CLOSE)
        bias = np.repeat(self.bias, copies) + _BIAS_SPREAD * random.normal(size=len(vectors))
        bought = [rows * copies + random.integers(0, copies, len(rows)) for rows in self.bought]
        return LargeCatalogue(
            self.source,
            vectors,
            _noisy(random, self.model.outputs, copies, 1.0),
            bias.astype(np.float32),
            bought,
            np.stack([vectors[rows].mean(axis=0) for rows in bought]),
        )


def learn_base(data: Path | None, events: int, epochs: int) -> Learnt:
    """From the largest real data in the folder, without one from so many made-up purchases."""
    found = [] if data is None else [data / name for name in ("tafeng", "online_retail") if (data / name).is_dir()]
    histories = _real(found[0]) if found else _made_up(events)
    keys = [str(number) for number in range(int(histories.products.max()) + 1)]
    model = item2vec.train(histories, keys, TrainingParameters(vector_size=DIMENSION, epochs=epochs))
    demand = Demand()
    demand.add(histories.products, histories.times)
    rows = model.rows_of(keys)[histories.products]
    chosen = np.random.default_rng(1).permutation(len(histories.customers))
    known = (rows[histories.starts[i] : histories.starts[i + 1]] for i in chosen)
    bought = [mine for mine in (np.unique(mine[mine >= 0]) for mine in known) if len(mine)][:_CUSTOMERS]
    bias = demand.bias(np.array([int(key) for key in model.keys]), 0.5, 1.0)
    return Learnt(found[0].name if found else "made-up purchases", model, bias, bought)


def _real(folder: Path) -> Histories:
    lines = purchases(folder / "transactions.parquet")
    return _histories(*lines[np.lexsort((lines[:, 2], lines[:, 0]))].T)


def _made_up(events: int) -> Histories:
    orders = list(Shop(events=events, customers=max(events // 10, 2), products=12_000).orders())
    lines = np.array([(o.customer, product, o.time_s) for o in orders for product in o.products], np.int64)
    return _histories(*lines[np.lexsort((lines[:, 2], lines[:, 0]))].T)


def _histories(customers: NDArray[np.int64], products: NDArray[np.int64], times: NDArray[np.int64]) -> Histories:
    numbers, starts = np.unique(customers + 1, return_index=True)
    ends = np.append(starts, len(customers)).astype(np.int64)
    return Histories(numbers.astype(np.uint32), ends, (products + 1).astype(np.uint32), times.astype(np.uint32))


def _noisy(random: np.random.Generator, vectors: NDArray[np.float32], copies: int, close: float) -> NDArray[np.float32]:
    some = np.ascontiguousarray(vectors[:: max(len(vectors) // 1000, 1)])
    squares, _ = faiss.knn(some, np.ascontiguousarray(vectors), 2)
    apart = close * float(np.median(np.sqrt(squares[:, 1]))) / vectors.shape[1] ** 0.5
    noise = random.normal(scale=apart, size=(len(vectors) * copies, vectors.shape[1]))
    return (np.repeat(vectors, copies, axis=0) + noise).astype(np.float32)
