"""How purchases lie in SQLite: our layout beside the two plain ones, written alternately.

ours: a packed row for each batch, folded now and then into one row for each customer; `row per line`: the textbook
table; `blob per customer`: each batch appends to its customers' rows at once. All intern names, drop repeats and keep
the offset in the same transaction, by the same code; `no lines at all` is that code alone. Only ours keeps event ids in
the file.
"""

import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from model.purchases.changes import LogRecord, Purchase
from model.purchases.histories import Histories
from model.store.codec import Orders
from model.store.plan import BatchPlan
from model.store.statements import _FOLD
from model.store.write_buffer import WriteBuffer
from model.store.writer import Store
from tests.benchmarks.figures import Figures
from tests.benchmarks.generated import Shop
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, scratch
from tests.benchmarks.verdicts import Verdicts

CUSTOMERS_READ = 256
_READS = 40
_CPU = "events per CPU second"
_LINES = (
    "SELECT c.profile, l.product, l.time FROM customer c JOIN line l ON l.customer = c.id "
    "WHERE c.profile IN (SELECT value FROM json_each(?)) ORDER BY l.customer, l.time"
)


class _NoTail(WriteBuffer):
    """Takes nothing up: lines of the layouts that have no tail are in the file at once."""

    def add(self, orders: Orders) -> None:
        pass


class NoLines(Store):
    """Writes names and offsets only: what all layouts have in common."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._folding.tail = _NoTail()

    def _write(self, db: sqlite3.Connection, plan: BatchPlan) -> None:
        orders, plan.orders = plan.orders, None
        super()._write(db, plan)
        plan.orders = orders
        if orders is not None:
            self._write_lines(db, orders)

    def _write_lines(self, db: sqlite3.Connection, orders: Orders) -> None:
        pass


class BlobPerCustomer(NoLines):
    """Each batch appends to the rows of its customers."""

    def _write_lines(self, db: sqlite3.Connection, orders: Orders) -> None:
        batch = WriteBuffer()
        batch.add(orders)
        db.executemany(_FOLD, batch.rows())


class RowPerLine(NoLines):
    """A row for each order line, in the order of customers."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._db.execute(
            "CREATE TABLE line(customer INTEGER, time INTEGER, event INTEGER, product INTEGER, "
            "PRIMARY KEY(customer, time, event, product)) WITHOUT ROWID"
        )

    def _write_lines(self, db: sqlite3.Connection, orders: Orders) -> None:
        columns = (orders.customers, orders.times, orders.hashes.astype(np.uint16))  # enough to tell orders apart
        rows = (np.repeat(column, orders.sizes).tolist() for column in columns)
        db.executemany("INSERT INTO line VALUES (?, ?, ?, ?)", zip(*rows, orders.products.tolist(), strict=True))

    def histories(self, profiles: Sequence[str]) -> Histories:
        found: dict[str, list[tuple[int, int]]] = {profile: [] for profile in profiles}
        for profile, product, time_s in self._db.execute(_LINES, ('["' + '","'.join(found) + '"]',)):
            found[profile].append((product, time_s))
        lines = np.array([line for profile in profiles for line in found[profile]], np.uint32).reshape(-1, 2)
        starts = np.cumsum([0, *(len(found[profile]) for profile in profiles)])
        return Histories(np.arange(len(profiles), dtype=np.uint32), starts, lines[:, 0], lines[:, 1])


COMMON = "no lines at all"
LAYOUTS: dict[str, Callable[[Path], Store]] = {
    "ours": Store,
    "row per line": RowPerLine,
    "blob per customer": BlobPerCustomer,
    COMMON: NoLines,
}


def main() -> None:
    options = Options(__doc__)
    options.size("--events", 200_000, 2000)
    options.size("--customers", 50_000, 400)
    options.size("--products", 20_000, 50)
    options.add_argument("--batches", type=int, nargs="+", default=[2000, 200], help="records in one transaction")
    options.size("--rounds", 3, 1)
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    log = Shop(chosen.events, chosen.customers, chosen.products).log()
    bought = [record.change for record in log if isinstance(record.change, Purchase)]
    lines = sum(len(change.products) for change in bought)
    introduce(
        "Layouts of purchase histories in SQLite",
        events=chosen.events, lines=lines, customers=chosen.customers, products=chosen.products, rounds=chosen.rounds,
    )  # fmt: skip
    for batch in chosen.batches:
        figures = Figures(*LAYOUTS)
        for _ in range(chosen.rounds):
            for name, layout in LAYOUTS.items():
                with scratch() as folder:
                    figures.add(name, **_measured(layout, folder / "store.db", log, batch))
        print(f"\nbatches of {batch}")
        figures.show(yardstick="row per line")
        _show_gain(figures)
        for name in ("row per line", "blob per customer"):
            gained = figures.ratios(_CPU, "ours", name)
            verdicts.at_least(f"purchases in batches of {batch}, events a CPU second: {name}", gained, 1.0, " x")


def _measured(layout: Callable[[Path], Store], path: Path, log: Sequence[LogRecord], batch: int) -> dict[str, float]:
    store = layout(path)
    store.open_log("cluster", "purchases", "id", 0)
    begin, begin_cpu, lines = time.perf_counter(), time.process_time(), 0
    for at in range(0, len(log), batch):
        lines += len(store.apply(log[at : at + batch]).products)
    seconds, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
    read_ms = _read_ms(store, sorted({record.change.profile for record in log if record.change}))
    begin, begin_cpu = time.perf_counter(), time.process_time()
    store.close()  # folds what waits: that belongs to the writing
    seconds, cpu_s = seconds + time.perf_counter() - begin, cpu_s + time.process_time() - begin_cpu
    return {
        "events/s": len(log) / seconds,
        _CPU: len(log) / cpu_s,
        "bytes of file per line": path.stat().st_size / lines,
        f"ms to read {CUSTOMERS_READ} histories": read_ms,
    }


def _read_ms(store: Store, profiles: Sequence[str]) -> float:
    choice, times_ms = random.Random(1), []
    for _ in range(_READS):
        wanted = choice.sample(profiles, CUSTOMERS_READ)
        begin = time.perf_counter()
        store.histories(wanted)
        times_ms.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times_ms)


def _show_gain(figures: Figures) -> None:
    """What the lines alone cost, the work that all layouts share taken away, beside ours, round by round."""
    rounds = [dict(zip(LAYOUTS, cpu, strict=True)) for cpu in zip(*figures.values[_CPU].values(), strict=True)]
    cost = Figures(*(name for name in LAYOUTS if name != COMMON))
    for per_cpu_s in rounds:
        for name in cost.who:
            cost_us = 1e6 / per_cpu_s[name]
            cost.add(name, **{"CPU µs an event": cost_us, "for its lines alone": cost_us - 1e6 / per_cpu_s[COMMON]})
    cost.show(yardstick="ours")


if __name__ == "__main__":
    main()
