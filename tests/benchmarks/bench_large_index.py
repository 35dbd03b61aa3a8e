"""How a large catalogue is searched: recall, time of one search, searches a second in batches; beside exact search.

The same vectors in two sizes, one ten times the other, so that it also shows how an answer's cost grows with the
catalogue. Bars at 1,000,000 products of 64 numbers: recall@10 >= .99, p99 of one search <= 0.2 ms, >= 100 x the exact
searches a second. Drift is what purchases do to the biases after the index was built.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import faiss
import numpy as np
from numpy.typing import NDArray

from model.index.item_index import ItemIndex
from model.ranking.retrieval import rank
from tests.benchmarks.figures import Figures
from tests.benchmarks.large_catalogue import DIMENSION, LargeCatalogue, learn_base
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, real_data, table
from tests.benchmarks.verdicts import Verdicts

OURS, EXACT = "lists", "exact"
K, DEEP, BATCH = 10, 200, 256
_LEAST_S = 0.2


def main() -> None:
    options = Options(__doc__)
    options.size("--products", 1_000_000, 30_000, "of the larger of the two")
    options.size("--rounds", 3, 1)
    options.size("--singles", 2000, 100, "searches one by one in each round")
    options.size("--events", 200_000, 3000, "that the made-up vectors are learnt from, where there are no real data")
    options.size("--epochs", 5, 1, "that the vectors are learnt for")
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    base = learn_base(None if chosen.little else real_data(), chosen.events, chosen.epochs)
    introduce(
        "A large catalogue: lists beside an exact search",
        products=chosen.products,
        numbers_each=DIMENSION,
        vectors=f"learnt from {base.source}, {len(base.model.keys):,} products, each with near copies",
        rounds=chosen.rounds,
    )
    for products in (chosen.products // 10, chosen.products):
        judge = verdicts if products == chosen.products else None
        measure(base.spread(products), chosen.rounds, chosen.singles, judge)


def measure(shop: LargeCatalogue, rounds: int, singles: int, verdicts: Verdicts | None) -> None:
    calibrating, asking = shop.queries[::4], np.delete(shop.queries, np.s_[::4], axis=0)
    began, began_cpu = time.perf_counter(), time.process_time()
    ours = ItemIndex.build(shop.outputs, shop.bias, calibrating)
    took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    exact = ItemIndex.build(shop.outputs, shop.bias)
    print(f"{len(ours):,} products: {ours.form.lists:,} lists, {ours.form.probes} read, recall {ours.form.recall:.4f} "
          f"when built; built in {took_cpu:.1f} s of a processor ({took:.1f} s by the clock)")  # fmt: skip
    figures = Figures(OURS, EXACT)
    for turn in range(rounds):
        for name, index, ones in ((OURS, ours, singles), (EXACT, exact, max(singles // 50, 2))):
            figures.add(name, **searched(index, np.roll(asking, turn, axis=0), shop, ones))
            with as_faiss_is_set():
                spent = cost(partial(index.search, asking[:BATCH], K))[1]
            figures.add(name, **{"CPU µs a search, one query after the other as faiss is set": spent})
    figures.show(yardstick=EXACT)
    recall = show_recall(ours, exact, asking)
    if verdicts is not None:
        size = f"{len(ours):,} products"
        verdicts.at_least(f"{size}: recall@{K}", recall, 0.99)
        verdicts.at_most(f"{size}: p99 of one search", figures.values["p99 of one search, ms"][OURS], 0.2, " ms")
        gained = figures.ratios("CPU µs a search in batches", EXACT, OURS)
        verdicts.at_least(f"{size}: searches in batches beside exact ones, by CPU", gained, 100, " x")


@contextmanager
def as_faiss_is_set() -> Iterator[None]:
    """With faiss's own threshold for multiplying queries together, which no batch reaches; see `model.index.flat`."""
    ours = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 128_000
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = ours


def searched(index: ItemIndex, queries: NDArray[np.float32], shop: LargeCatalogue, singles: int) -> dict[str, float]:
    """One round: single searches, a batch, and a batch of whole rankings without what was bought."""
    ones = np.zeros((singles, 2))  # ms by the clock and of a processor
    for i in range(singles):
        query = queries[i % len(queries)][None]
        began, began_cpu = time.perf_counter(), time.thread_time()
        index.search(query, K)
        ones[i] = 1e3 * (time.perf_counter() - began), 1e3 * (time.thread_time() - began_cpu)
    batch, bought, rows = queries[:BATCH], shop.bought[:BATCH], np.arange(BATCH)
    took, spent = cost(lambda: index.search(batch, K))
    return {
        "p50 of one search, ms": float(np.percentile(ones[:, 0], 50)),
        "p99 of one search, ms": float(np.percentile(ones[:, 0], 99)),
        "p99 of one search, CPU ms": float(np.percentile(ones[:, 1], 99)),
        "searches/s in batches": 1e6 / took,
        "CPU µs a search in batches": spent,
        f"CPU µs a search, the best {DEEP}": cost(lambda: index.search(batch, DEEP))[1],
        "CPU µs a ranking without what was bought": cost(lambda: rank(index, batch, [K] * BATCH, bought))[1],
        "CPU µs a changed bias": cost(lambda: index.set_bias(rows, shop.bias[:BATCH]))[1],
    }


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """µs for one of the batch, by the clock and of a processor; what is fast is done often."""
    began, began_cpu, times = time.perf_counter(), time.process_time(), 0
    while not times or time.perf_counter() - began < _LEAST_S:
        work()
        times += 1
    took, spent = time.perf_counter() - began, time.process_time() - began_cpu
    return took / times / BATCH * 1e6, spent / times / BATCH * 1e6


def show_recall(ours: ItemIndex, exact: ItemIndex, asking: NDArray[np.float32]) -> float:
    """What is found of the exact best, and what a search costs: as built, and after the biases have moved.

    Returns recall@10 as built.
    """
    random, every, built = np.random.default_rng(9), np.arange(len(ours)), exact.bias
    sold = np.zeros(len(built))
    sold[random.choice(len(built), len(built) // 500, replace=False)] = 2.5
    drifts = {
        "as built": np.zeros(len(built)),
        "every bias moved by ±0.3": 0.3 * random.normal(size=len(built)),
        "1 product in 500 sells 12 times as well": sold,
    }
    rows, recalls = [], []
    for what, moved in drifts.items():
        bias = (built + moved).astype(np.float32)
        for index in (ours, exact):
            index.set_bias(every, bias)
        best, found = exact.search(asking[:512], DEEP)[1], ours.search(asking[:512], K)[1]
        deep = ours.search(asking[:512], DEEP)[1]
        spent = cost(lambda: ours.search(asking[:BATCH], K))[1]
        recalls.append(shared(best[:, :K], found))
        rows.append((what, f"{recalls[-1]:.4f}", f"{shared(best, deep):.4f}", f"{spent:.1f}"))
    table(("biases", f"recall@{K}", f"recall@{DEEP}", "CPU µs a search in batches"), rows)
    return recalls[0]


def shared(best: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    pairs = zip(best.tolist(), found.tolist(), strict=True)
    return float(np.mean([len(set(one) & set(other)) for one, other in pairs])) / int(best.shape[1])


if __name__ == "__main__":
    main()
