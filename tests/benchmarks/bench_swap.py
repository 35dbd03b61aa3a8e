"""How long answers stall while a worker takes a model of a million products, and what memory a product costs.

A process does what the worker's loop does between two polls: answer a few requests, take purchases, give the models
their turn. Reading, checking and tying the new model must not hold it up. Bars: no turn over 10 ms in any
swap; 400 bytes of the worker's own memory for each product. No broker, so that a turn is nothing but ours. Two versions
of one model take turns, so that twenty swaps need no twenty models on the disk.
"""

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
from numpy.typing import NDArray

from consumers.observability.metrics import Metrics
from consumers.releases.announcement import Announcement
from consumers.releases.announcer import announcement_of
from model.embeddings.item2vec import Item2vec
from model.embeddings.parameters import TrainingParameters
from model.purchases.changes import LogRecord, Purchase
from model.ranking.parameters import Ranking, Scoring
from model.signals.demand import Demand
from model.signals.product_votes import no_votes
from model.snapshots.metadata import file_names, read_about, versions
from model.snapshots.reader import manifest_digest
from model.snapshots.writer import write_snapshot
from model.store.reader import read_contents, read_histories
from model.store.writer import Store
from model.training.packaging import TrainedModel, drafted
from serving.live_models.live_models import LiveModels
from serving.live_models.memory import seldom_collecting
from serving.recommendation.recommender import Recommender
from serving.recommendation.request import Request
from serving.runtime.logs import set_up_logging
from tests.benchmarks.figures import parts
from tests.benchmarks.large_catalogue import DIMENSION, LargeCatalogue, learn_base
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, number, real_data, scratch, table
from tests.benchmarks.verdicts import Verdicts

_LOG = ("cluster", "purchases", "id", 0)
_CUSTOMERS = 2000
_LONGEST_MS = 10.0  # a turn with a swap
_AFTER_S = 2.0  # after the swap: the biases are brought up to date in further turns
_TOGETHER = 4  # requests of a turn
_STORED_TOGETHER = 50_000


class NotLearnt:
    """In the place of gensim's model, which workers never open: the rows of the names, and nothing learnt."""

    def __init__(self, names: list[str]) -> None:
        self.wv = SimpleNamespace(key_to_index={name: row for row, name in enumerate(names)})


def main() -> None:
    options = Options(__doc__)
    options.size("--products", 1_000_000, 12_000)
    options.size("--swaps", 20, 2, "between two versions, there and back")
    options.size(
        "--quiet", 15.0, 0.5, "seconds without a swap: long enough to meet what comes seldom, such as SQLite's log"
    )
    options.size("--events", 200_000, 3000, "that the made-up vectors are learnt from, where there are no real data")
    options.size("--epochs", 5, 1, "that the vectors are learnt for")
    chosen = options.chosen()
    base = learn_base(None if chosen.little else real_data(), chosen.events, chosen.epochs)
    introduce(
        "Taking a model while answering",
        products=chosen.products,
        numbers_each=DIMENSION,
        vectors=f"learnt from {base.source}, each product with near copies",
        swaps=chosen.swaps,
    )
    with scratch() as folder:
        prepare(folder, base.spread(chosen.products))
        task = (folder, chosen.swaps, chosen.quiet, Verdicts.of(chosen))
        worker = multiprocessing.get_context("spawn").Process(target=work, args=task)
        worker.start()  # a process of its own: what was needed to prepare is not the worker's memory
        worker.join()
        assert worker.exitcode == 0, "the worker's part failed, see above"


def prepare(folder: Path, shop: LargeCatalogue) -> None:
    """A store with all products and some customers, and two versions of one model."""
    store = Store(folder / "alsobought.db")
    store.open_log(*_LOG)
    names = [f"product-{row:07}" for row in range(len(shop.vectors))]
    for start in range(0, len(names), _STORED_TOGETHER):
        store.numbers_of([("", name) for name in names[start : start + _STORED_TOGETHER]])
    orders = [
        LogRecord(0, at, Purchase(f"c-{at}", "", 1_760_000_000 + at, tuple(names[row] for row in rows),
                                  (9.5,) * len(rows), f"e-{at}"))
        for at, rows in enumerate([np.array([len(names) - 1]), *shop.bought[: _CUSTOMERS - 1]])
    ]  # fmt: skip
    store.apply(orders)
    store.close()
    contents = read_contents(folder / "alsobought.db")
    counts = np.ones(len(names), np.int64)
    learnt = TrainedModel(
        item2vec=Item2vec(names, shop.vectors, shop.outputs, counts, NotLearnt(names)),
        votes=no_votes(len(names)),
        ranking=Ranking(scoring=Scoring()),
        parameters=TrainingParameters(vector_size=DIMENSION),
        brand_id=None,
        parent_version=None,
        parent=None,
        reason="benchmark",
        seconds=0.0,
    )
    draft = drafted(contents, contents.histories, learnt, 1_760_000_000.0)
    print(f"index: {draft.model.index.form}; of similar products: {draft.similar.form}", flush=True)
    for _ in range(2):
        write_snapshot(folder / "models", draft, "20261125T000000Z")


@seldom_collecting()
def work(folder: Path, count: int, quiet_s: float, verdicts: Verdicts) -> None:
    """The worker's part."""
    set_up_logging("console", "error")
    memory = [own_memory()]
    store = Store(folder / "alsobought.db")
    store.open_log(*_LOG)
    memory.append(own_memory())
    histories = read_histories(store.path)
    demand = Demand()
    demand.add(histories.products, histories.times)
    memory.append(own_memory())
    models = LiveModels(folder / "models", store, demand, Metrics())
    loop = Loop(store, demand, models, Recommender(store, demand, models))
    loop.run(lambda: False, 0.2)
    memory.append(own_memory())
    newest, older = announcements(folder / "models")
    models.announced("", newest)
    loop.run(lambda: models.opening > 0, _AFTER_S)
    loop.run(lambda: False, quiet_s)
    memory.append(own_memory())
    quiet = loop.run(lambda: False, quiet_s)
    swaps, loop.peak = [], own_memory()
    for turn in range(count):
        models.announced("", newest if turn % 2 else older)
        swaps.append(loop.run(lambda: models.opening > 0, _AFTER_S))
    show(quiet, swaps)
    products = len(store.products()) - 1
    longest_ms = [1e3 * float(took[:, 0].max()) for took in swaps]
    figure = "longest turns {} ms ({})".format(*parts(longest_ms))
    good = sum(longest <= _LONGEST_MS for longest in longest_ms)
    verdicts.all_of(f"swaps to {products:,} products whose longest turn is ≤ {_LONGEST_MS:g} ms", good, count, figure)
    memory += [own_memory(), loop.peak]
    own = show_memory(memory, products)
    verdicts.at_most(f"a worker's own memory a product, {products:,} products", own, 400, " bytes")
    sizes = {kind: (folder / "models" / newest.version / name).stat().st_size
             for kind, name in file_names(newest.version).items()}  # fmt: skip
    table(("files of the model", "bytes a product"),
          [(kind, number(size / (len(store.products()) - 1))) for kind, size in sizes.items()])  # fmt: skip
    store.close()


def announcements(models: Path) -> list[Announcement]:
    """Of all versions, newest first."""
    return [announcement_of(read_about(models, name), manifest_digest(models, name)) for name in versions(models)]


def own_memory() -> tuple[int, int]:
    """Bytes of this process: its own, and of files mapped into it that others may share and the kernel may drop."""
    memory = psutil.Process().memory_info()
    return memory.rss - memory.shared, memory.shared


@dataclass(slots=True)
class Loop:
    """What the worker does again and again."""

    store: Store
    demand: Demand
    models: LiveModels
    recommender: Recommender
    turns: int = 0
    peak: tuple[int, int] = (0, 0)  # memory, at its greatest so far

    def run(self, busy: Callable[[], bool], least_s: float) -> NDArray[np.float64]:
        """Take turns until nothing is `busy`, then for so many seconds.

        Returns (turns, 3): the seconds of each, those but for storing, which waits for the disk with or without a swap,
        and those of a processor.
        """
        took = []
        end_s = time.perf_counter() + least_s
        while busy() or time.perf_counter() < end_s:
            if busy():
                end_s = time.perf_counter() + least_s
            began, began_cpu = time.perf_counter(), time.thread_time()
            stored_s = self._turn()
            took_s = time.perf_counter() - began
            took.append((took_s, took_s - stored_s, time.thread_time() - began_cpu))
            self.peak = max(self.peak, own_memory())
            time.sleep(0.001)  # the broker's turn
        return np.array(took)

    def _turn(self) -> float:
        """Returns how long storing took."""
        self.turns += 1
        asking = [f"c-{(self.turns * _TOGETHER + i) % _CUSTOMERS}" for i in range(_TOGETHER)]
        self.recommender.answer([Request(profile, k=10) for profile in asking])
        bought = Purchase(asking[0], "", 1_760_010_000 + self.turns, (f"product-{self.turns % 10_000:07}",), (1.0,),
                          f"n-{self.turns}")  # fmt: skip
        began = time.perf_counter()
        applied = self.store.apply([LogRecord(0, self.store.next_offset(0), bought)])
        stored_s = time.perf_counter() - began
        self.demand.add(applied.products, applied.times)
        self.models.turn()
        self.recommender.turn()
        return stored_s


def show_memory(memory: list[tuple[int, int]], products: int) -> float:
    """What each part added, in bytes a product; `memory` as it was before all, after each, and at its greatest.

    Returns what a product takes of the worker's own memory, all parts together.
    """
    parts = ("names and numbers of products", "sales", "what answers need of both", "the model")
    before, *after, swapped, peak = memory
    grown = [
        *zip(parts, memory, after, strict=False),
        ("together", before, after[-1]),
        ("together, after the swaps", before, swapped),
        ("at most, while two models are there", before, peak),
    ]
    table(("bytes a product", "own memory", "mapped from files"),
          [(what, *(number((now - then) / products) for then, now in zip(*pair, strict=True)))
           for what, *pair in grown])  # fmt: skip
    return (after[-1][0] - before[0]) / products


def show(quiet: NDArray[np.float64], swaps: list[NDArray[np.float64]]) -> None:
    """How long turns took, in milliseconds."""
    rows = []
    for what, took in [("no swap", quiet), *((f"swap {i}", took) for i, took in enumerate(swaps, 1))]:
        whole, *parts = took.T * 1e3
        figures = [number(value) for value in (*np.percentile(whole, (50, 99, 100)), *(part.max() for part in parts))]
        rows.append((what, f"{len(took):,}", *figures))
    table(("", "turns", "p50 ms", "p99 ms", "longest ms", "but for storing", "of a processor"), rows)


if __name__ == "__main__":
    main()
