"""What a purchase, a history and an item cost as customers and histories grow.

For each size a store is filled through its own `apply`, an order of so many items for each customer, as a topic that is
read from its start would; then orders by customers chosen at random are taken in, in the batches of a worker that keeps
up, and 256 histories of random customers are read. Yardstick: the smallest shop. Bars: 0.5 ms for 256 histories
of a million customers, 25 bytes an item.
"""

import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import psutil

from model.purchases.changes import LogRecord, Purchase
from model.store.writer import Store
from tests.benchmarks.options import Options
from tests.benchmarks.setting import introduce, number, scratch, table
from tests.benchmarks.verdicts import Verdicts

PRODUCTS, NEW_ITEMS = 50_000, 2
FILLING, KEEPING_UP = 10_000, 2_000  # records in one batch
READ = 256
_NAMES = [f"product-{product:07}" for product in range(PRODUCTS)]
_BEGIN_S = 1_767_225_600


def main() -> None:
    options = Options(__doc__)
    options.sizes("--sizes", ["100000x10", "1000000x10", "100000x100"], ["400x2"], "customers x items of each")
    options.size("--events", 200_000, 500, "orders of 2 items taken in afterwards")
    options.size("--reads", 200, 3, f"times that {READ} histories are read")
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    sizes = [tuple(map(int, size.split("x"))) for size in chosen.sizes]
    introduce("A store that grows", products=PRODUCTS, orders_taken_in_afterwards=chosen.events)
    rows = []
    for customers, items in sizes:
        with scratch() as folder:
            rows.append(_measured(folder / "store.db", customers, items, chosen.events, chosen.reads))
            print(f"  {customers:,} customers of {items} items: done", flush=True)
    table(
        ("customers", "items", "filling: CPU µs an item", "then: CPU µs an event", "CPU ms for 256 histories", "ms",
         "bytes an item", "memory of its own, MB"),
        [row.cells() for row in rows],
    )  # fmt: skip
    for row in rows:
        shop = f"{row.customers:,} customers of {row.items // row.customers} items"
        verdicts.at_most(f"{READ} histories, {shop}, CPU", row.read_cpu_ms, 0.5, " ms")
        verdicts.at_most(f"bytes an item, {shop}", row.bytes_an_item, 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What a store of one size costs."""

    customers: int
    items: int  # of all of them
    filling_us: float  # CPU, an item
    taking_us: float  # CPU, an event
    read_cpu_ms: list[float]  # each time READ histories were read
    read_ms: float
    bytes_an_item: float
    memory_mb: float

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        figures = (self.filling_us, self.taking_us, statistics.median(self.read_cpu_ms), self.read_ms)
        return (f"{self.customers:,}", f"{self.items:,}", *map(number, figures), number(self.bytes_an_item),
                f"{self.memory_mb:,.0f}")  # fmt: skip


def _measured(path: Path, customers: int, items: int, events: int, reads: int) -> Grown:
    store = Store(path)
    store.open_log("cluster", "purchases", "id", 0)
    before = time.process_time()
    _take(store, _first_orders(customers, items), FILLING)
    store.close()  # folds, and empties the write-ahead log
    filling_s = time.process_time() - before
    bytes_an_item = path.stat().st_size / (customers * items)
    store = Store(path)
    store.open_log("cluster", "purchases", "id", 0)
    before = time.process_time()
    _take(store, _random_orders(customers, events), KEEPING_UP)
    store.fold()  # belongs to them
    taking_s = time.process_time() - before
    cpu_ms, wall_ms = _reads_ms(store, customers, reads)
    used = psutil.Process().memory_info()
    memory = (used.rss - used.shared) / 2**20  # without libraries and other mapped files
    store.close()
    return Grown(
        customers=customers,
        items=customers * items,
        filling_us=1e6 * filling_s / customers / items,
        taking_us=1e6 * taking_s / events,
        read_cpu_ms=cpu_ms,
        read_ms=wall_ms,
        bytes_an_item=bytes_an_item,
        memory_mb=memory,
    )


def _take(store: Store, records: Iterator[LogRecord], batch: int) -> None:
    while some := list(islice(records, batch)):
        store.apply(some)


def _first_orders(customers: int, items: int) -> Iterator[LogRecord]:
    """One order for each customer; names come in the order that they have in the file."""
    choice = np.random.default_rng(1)
    prices = (9.99,) * items
    for start in range(0, customers, FILLING):
        for i, first in enumerate(choice.integers(PRODUCTS - items, size=min(FILLING, customers - start)).tolist()):
            at = start + i
            products = tuple(_NAMES[first : first + items])
            yield LogRecord(0, at, Purchase(_customer(at), "", _BEGIN_S + at // 20, products, prices, f"o-{at:010}"))


def _random_orders(customers: int, events: int) -> Iterator[LogRecord]:
    choice = np.random.default_rng(2)
    buyers = choice.integers(customers, size=events).tolist()
    firsts = choice.integers(PRODUCTS - NEW_ITEMS, size=events).tolist()
    for at, (buyer, first) in enumerate(zip(buyers, firsts, strict=True), customers):
        products = tuple(_NAMES[first : first + NEW_ITEMS])
        yield LogRecord(
            0, at, Purchase(_customer(buyer), "", _BEGIN_S + at // 20, products, (9.99,) * NEW_ITEMS, f"o-{at:010}")
        )


def _customer(number_of_it: int) -> str:
    return f"customer-{number_of_it:09}"


def _reads_ms(store: Store, customers: int, reads: int) -> tuple[list[float], float]:
    """Processor time of each, and the median of wall-clock time."""
    choice, cpu, wall = random.Random(1), [], []
    for _ in range(reads):
        wanted = [_customer(one) for one in choice.sample(range(customers), READ)]
        begin, begin_cpu = time.perf_counter(), time.process_time()
        store.histories(wanted)
        cpu.append(1000 * (time.process_time() - begin_cpu))
        wall.append(1000 * (time.perf_counter() - begin))
    return cpu, statistics.median(wall)


if __name__ == "__main__":
    main()
