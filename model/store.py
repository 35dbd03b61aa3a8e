"""Every customer's purchases and the next Kafka offsets, in one SQLite file with one writer.

A batch of log records comes in; its order lines, new customers, new products and the next offsets are committed
together or not at all, so an order is counted once however often it is read. Fresh lines wait in a `tail` (a row for each
batch, mirrored in memory) and are folded into one row for each customer, which keeps a read at one statement for a whole
micro-batch of customers. Layouts compared: tests/benchmarks/bench_store.py.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.histories import Histories
from model.packing import LINE_BYTES, Orders, lines_of, pack, unpack
from model.purchases import Forget, LogRecord, Product
from model.recent_events import Pending, RecentEvents, event_hash
from model.schema import database_id, explained, open_to_write
from model.tail import Tail

_CUSTOMERS = "SELECT profile, log, id FROM customer WHERE profile IN (SELECT value FROM json_each(?))"
_HISTORIES = (
    "SELECT c.profile, c.id, h.lines FROM customer c LEFT JOIN history h ON h.customer = c.id "
    "WHERE c.profile IN (SELECT value FROM json_each(?)) AND c.log IN (SELECT value FROM json_each(?)) ORDER BY c.log"
)
_FOLD = (
    "INSERT INTO history VALUES (?, ?, ?) "
    "ON CONFLICT(customer) DO UPDATE SET lines = CAST(lines || excluded.lines AS BLOB)"
)
_COUNT_ERASED = (
    "INSERT INTO meta VALUES ('customers_erased', ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value"
)
_LIST = (
    "INSERT INTO product(brand, product_id, price, title, category, withdrawn) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT(brand, product_id) DO UPDATE SET price = excluded.price, title = excluded.title, "
    "category = excluded.category, withdrawn = excluded.withdrawn"
)
_PRODUCTS = "SELECT id, paid, brand, product_id, price, title, category, withdrawn FROM product ORDER BY id"


@dataclass(slots=True)
class Log:
    """One partition of the purchases topic as it is being read: its row's number and the next offset to apply."""

    number: int
    next: int


@dataclass(slots=True)
class Applied:
    """What a batch did: counts by outcome, and the order lines that are now counted."""

    applied: int = 0
    duplicate: int = 0
    replayed: int = 0
    forgotten: int = 0
    products: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # (m,) product numbers
    times: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # (m,) seconds since 1970


@dataclass(slots=True)
class _Plan:
    """A batch worked out, before anything is written: dropped whole when the transaction fails."""

    nexts: dict[int, int] = field(default_factory=dict)  # partition -> next offset
    events: dict[int, Pending] = field(default_factory=dict)  # log -> the event ids of this batch
    new_customers: list[tuple[tuple[str, int], int]] = field(default_factory=list)  # ((profile, log), number)
    products: list[tuple[str, str]] = field(default_factory=list)  # new (brand, product_id), numbered on
    orders: list[tuple[int, int, int, int, list[int], tuple[float, ...]]] = field(default_factory=list)
    forgotten: list[tuple[str, int]] = field(default_factory=list)  # (profile, customer number)
    result: Applied = field(default_factory=Applied)

    def columns(self) -> Orders:
        customers, logs, times, hashes, products, prices = zip(*self.orders, strict=True)
        return Orders(
            np.array(customers, np.uint32),
            np.array(logs, np.uint32),
            np.array(times, np.uint32),
            np.array([len(p) for p in products], np.uint16),
            np.array(hashes, np.uint64),
            np.array([number for p in products for number in p], np.uint32),
            np.array([price for p in prices for price in p], np.float32),
        )


class Store:
    """The writer's view of the file. Not shared between threads; readers in other processes use `model.reading`."""

    def __init__(self, path: Path, *, fold_every_events: int = 50_000, dedupe_window_events: int = 50_000) -> None:
        """Open `path`, made or migrated as needed. Raises `StoreUnavailable` or `NewerSchema`."""
        self.path = path
        self._fold_at = fold_every_events
        self._db = open_to_write(path)
        self._logs: dict[int, Log] = {}  # partition -> log, of the partitions assigned to this worker
        self._recent = RecentEvents(dedupe_window_events)
        with explained(path):
            self.database_id = database_id(self._db)
            self._load()

    def _load(self) -> None:
        self._products = [Product("", "")]  # product numbers start at 1
        self._paid: list[float | None] = [None]  # the price paid last, by product number
        for number, paid, *about, withdrawn in self._db.execute(_PRODUCTS):
            assert number == len(self._products), "product numbers are dense"
            self._products.append(Product._make((*about, bool(withdrawn))))
            self._paid.append(paid)
        self._numbers = {(p.brand, p.product_id): n for n, p in enumerate(self._products) if n}
        self._brands: dict[str, None] = dict.fromkeys(product.brand for product in self._products[1:])
        row = self._db.execute("SELECT value FROM meta WHERE name = 'last_customer'").fetchone()
        self._last_customer = int(row[0]) if row else 0
        self._recent.load(self._db.execute("SELECT log, hashes FROM recent_event"))
        self._tail = Tail()
        for (blob,) in self._db.execute("SELECT orders FROM tail ORDER BY id"):
            self._keep(unpack(blob))

    def close(self) -> None:
        """Fold what waits and close the file; it can be opened again at once."""
        with explained(self.path):
            if self._tail.events:
                self.fold()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    # -- logs: which partitions are read, and from where

    def open_log(self, cluster: str, topic: str, topic_id: str, partition: int, *, restart: bool = False) -> Log:
        """Begin to read a partition; returns its log, whose `next` offset is 0 when it was never read.

        `restart` starts a new generation at offset 0: the log is no longer the one that was read before. Rows of other
        logs of this partition stay in the file but are not answered from.
        """
        key = (cluster, topic, topic_id, partition)
        with self._transaction() as db:
            where = "cluster = ? AND topic = ? AND topic_id = ? AND partition = ?"
            row = db.execute(
                f"SELECT id, next, generation FROM log WHERE {where} ORDER BY generation DESC LIMIT 1",
                key,  # noqa: S608
            ).fetchone()
            if row is None or restart:
                generation = row[2] + 1 if row else 0
                cursor = db.execute(
                    "INSERT INTO log(cluster, topic, topic_id, partition, generation, next, current) "
                    "VALUES (?, ?, ?, ?, ?, 0, 1)",
                    (*key, generation),
                )
                row = (cursor.lastrowid, 0, generation)
            db.execute(f"UPDATE log SET current = (id = ?) WHERE {where}", (row[0], *key))  # noqa: S608
        self._logs[partition] = log = Log(row[0], row[1])
        return log

    def skip_to(self, partition: int, offset: int) -> None:
        """Move the next offset past records that the broker no longer has."""
        with self._transaction() as db:
            db.execute("UPDATE log SET next = ? WHERE id = ?", (offset, self._logs[partition].number))
        self._logs[partition].next = offset

    def close_log(self, partition: int) -> None:
        """The partition is another worker's now: its customers are no longer answered from here."""
        self._logs.pop(partition, None)

    def next_offset(self, partition: int) -> int:
        """The offset that the next record of an open log must have or exceed."""
        return self._logs[partition].next

    def use_topic(self, cluster: str, topic: str, topic_id: str) -> int:
        """Answer and learn from this topic's logs only; returns how many records of other logs that sets aside.

        They stay in the file, and come back when their topic does.
        """
        other = "NOT (cluster = ? AND topic = ? AND topic_id = ?)"
        source = (cluster, topic, topic_id)
        with self._transaction() as db:
            row = db.execute(f"SELECT coalesce(sum(next), 0) FROM log WHERE current AND {other}", source).fetchone()  # noqa: S608
            db.execute(f"UPDATE log SET current = 0 WHERE {other}", source)  # noqa: S608
            db.execute(
                "UPDATE log SET current = (SELECT max(generation) FROM log o WHERE (o.cluster, o.topic, o.topic_id, "
                "o.partition) = (log.cluster, log.topic, log.topic_id, log.partition)) = generation "
                "WHERE cluster = ? AND topic = ? AND topic_id = ?",
                source,
            )
        return int(row[0])

    # -- writing

    def apply(self, records: Sequence[LogRecord]) -> Applied:
        """Count a batch of records, once each, and move the offsets, all in one transaction.

        A record below its log's next offset was applied before and is skipped; so is an order whose event id is among
        the last ones of its log. Records of partitions that are not open are refused by KeyError.
        """
        forgetting = any(isinstance(record.change, Forget) for record in records)
        if forgetting:
            self.fold(overwrite=True)  # so that no blob but a customer's own row holds lines that must go
        plan = self._plan(records)
        orders = plan.columns() if plan.orders else None
        with self._transaction() as db:
            self._write(db, plan, orders)
        self._remember(plan, orders)
        if forgetting:  # the write-ahead log may still hold what was erased
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        elif self._tail.events >= self._fold_at:
            self.fold()
        return plan.result

    def _plan(self, records: Sequence[LogRecord]) -> _Plan:
        plan = _Plan()
        known = self._known_customers(r.change.profile for r in records if r.change is not None)
        numbers: dict[tuple[str, str], int] = {}
        for partition, offset, change in records:
            log = self._logs[partition]
            if offset < plan.nexts.get(partition, log.next):
                plan.result.replayed += 1
                continue
            plan.nexts[partition] = offset + 1
            if change is None:
                continue
            if isinstance(change, Forget):
                self._plan_forget(plan, known, change.profile)
                continue
            event = event_hash(change.brand, change.event_id)
            if event and not self._pending(plan, log.number).admit(event):
                plan.result.duplicate += 1
                continue
            customer = known.get((change.profile, log.number))
            if customer is None:
                customer = self._last_customer + len(plan.new_customers) + 1
                known[change.profile, log.number] = customer
                plan.new_customers.append(((change.profile, log.number), customer))
            products = [self._number(plan, numbers, (change.brand, product)) for product in change.products]
            plan.orders.append((customer, log.number, change.time_s, event, products, change.prices))
            plan.result.applied += 1
        return plan

    def _pending(self, plan: _Plan, log: int) -> Pending:
        if log not in plan.events:
            plan.events[log] = self._recent.pending(log)
        return plan.events[log]

    def _known_customers(self, profiles: Iterable[str]) -> dict[tuple[str, int], int]:
        wanted = msgspec.json.encode(list(set(profiles))).decode()
        with explained(self.path):
            return {(profile, log): number for profile, log, number in self._db.execute(_CUSTOMERS, (wanted,))}

    def _number(self, plan: _Plan, fresh: dict[tuple[str, str], int], product: tuple[str, str]) -> int:
        number = self._numbers.get(product) or fresh.get(product)
        if number is None:
            number = fresh[product] = len(self._products) + len(plan.products)
            plan.products.append(product)
        return number

    @staticmethod
    def _plan_forget(plan: _Plan, known: dict[tuple[str, int], int], profile: str) -> None:
        mine = [key for key in known if key[0] == profile]
        gone = {known.pop(key) for key in mine}
        plan.forgotten.extend((profile, number) for number in gone)
        # The event ids stay: an order that was forgotten and is sent again is still a repeat.
        plan.orders = [(0, o[1], 0, o[3], [], ()) if o[0] in gone else o for o in plan.orders]
        plan.result.forgotten += 1

    def _write(self, db: sqlite3.Connection, plan: _Plan, orders: Orders | None) -> None:
        gone = {number for _, number in plan.forgotten}
        if gone:
            db.execute("PRAGMA secure_delete=ON")
            db.executemany("DELETE FROM customer WHERE profile = ? AND id = ?", plan.forgotten)
            db.executemany("DELETE FROM history WHERE customer = ?", [(number,) for number in gone])
            db.execute("PRAGMA secure_delete=OFF")
            db.execute(_COUNT_ERASED, (len(gone),))
        if plan.new_customers:
            new = [(profile, log, number) for (profile, log), number in plan.new_customers if number not in gone]
            db.executemany("INSERT INTO customer VALUES (?, ?, ?)", new)
            last = self._last_customer + len(plan.new_customers)
            db.execute("INSERT OR REPLACE INTO meta VALUES ('last_customer', ?)", (str(last),))
        if plan.products:
            rows = [(number, *product) for number, product in enumerate(plan.products, len(self._products))]
            db.executemany("INSERT INTO product(id, brand, product_id) VALUES (?, ?, ?)", rows)
        if orders is not None:
            db.execute("INSERT INTO tail(orders) VALUES (?)", (pack(orders),))
        moved = [(offset, self._logs[partition].number) for partition, offset in plan.nexts.items()]
        db.executemany("UPDATE log SET next = ? WHERE id = ?", moved)

    def _remember(self, plan: _Plan, orders: Orders | None) -> None:
        """Memory follows the file: only what is committed is remembered."""
        self._last_customer += len(plan.new_customers)
        self._take_up(plan.products)
        for partition, offset in plan.nexts.items():
            self._logs[partition].next = offset
        if orders is not None:
            self._keep(orders)
            plan.result.products, plan.result.times = orders.products, np.repeat(orders.times, orders.sizes)

    def _take_up(self, products: Iterable[tuple[str, str]]) -> None:
        for brand, product_id in products:
            self._numbers[brand, product_id] = len(self._products)
            self._brands.setdefault(brand)
            self._products.append(Product(brand, product_id))
            self._paid.append(None)

    def _keep(self, orders: Orders) -> None:
        self._tail.add(orders)
        for log in np.unique(orders.logs).tolist():
            self._recent.remember(log, orders.hashes[orders.logs == log].tolist())
        said = ~np.isnan(orders.prices)
        for number, price in zip(orders.products[said].tolist(), orders.prices[said].tolist(), strict=True):
            self._paid[number] = price

    def fold(self, *, overwrite: bool = False) -> None:
        """Move the waiting lines into their customers' rows, in one transaction. `overwrite` leaves no copy on disk."""
        with self._transaction() as db:
            db.execute(f"PRAGMA secure_delete={'ON' if overwrite else 'OFF'}")
            db.executemany(_FOLD, self._tail.rows())
            db.executemany("INSERT OR REPLACE INTO recent_event VALUES (?, ?)", self._recent.packed(self._tail.logs))
            paid = ((price, number) for number, price in self._tail.paid.items())
            db.executemany("UPDATE product SET paid = ? WHERE id = ?", paid)
            db.execute("DELETE FROM tail")
        self._tail = Tail()

    def list_products(self, listed: Sequence[Product], positions: Mapping[str, int]) -> list[int]:
        """Take up catalogue entries (new or changed, the last of one product wins), and the catalogue's next offsets.

        Returns the products' numbers.

        `positions` are kept as they are given, see `catalogue_positions`.
        """
        latest = {(product.brand, product.product_id): product for product in listed}
        with self._transaction() as db:
            db.executemany(_LIST, latest.values())
            rows = [(f"catalogue:{name}", str(offset)) for name, offset in positions.items()]
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
        self._take_up(key for key in latest if key not in self._numbers)  # SQLite numbered them on in this order
        for key, product in latest.items():
            self._products[self._numbers[key]] = product
        return [self._numbers[key] for key in latest]

    @property
    def brands(self) -> Collection[str]:
        """Every brand that has a product, "" among them where products have none."""
        return self._brands

    def brands_of(self, product_id: str) -> list[str]:
        """The brands that have a product of this id."""
        return [brand for brand in self._brands if (brand, product_id) in self._numbers]

    def numbers_of(self, products: Sequence[tuple[str, str]]) -> list[int]:
        """The numbers of these (brand, product_id); those never seen before are given one."""
        unknown = list(dict.fromkeys(product for product in products if product not in self._numbers))
        if unknown:
            start = len(self._products)
            rows = [(number, *product) for number, product in enumerate(unknown, start)]
            with self._transaction() as db:
                db.executemany("INSERT INTO product(id, brand, product_id) VALUES (?, ?, ?)", rows)
            self._take_up(unknown)
        return [self._numbers[product] for product in products]

    def catalogue_positions(self) -> dict[str, int]:
        """What `list_products` was last told for each name."""
        with explained(self.path):
            rows = self._db.execute("SELECT substr(name, 11), value FROM meta WHERE name LIKE 'catalogue:%'")
            return {name: int(value) for name, value in rows}

    # -- reading

    def products(self) -> Sequence[Product]:
        """The products by number; number 0 is a placeholder. A live view: it grows as products are first bought."""
        return self._products

    def price_of(self, number: int) -> float | None:
        """The catalogue's price, else the one that was paid last, else None."""
        price = self._products[number].price
        return self._paid[number] if price is None else price

    def number_of(self, brand: str, product_id: str) -> int | None:
        """The product's number, None when it was never bought nor listed."""
        return self._numbers.get((brand, product_id))

    def histories(self, profiles: Sequence[str]) -> Histories:
        """What these customers bought, read in one statement; `customers` of the result are positions in `profiles`.

        Only partitions that this worker reads now count. A customer who is unknown has no lines.
        """
        logs = msgspec.json.encode([log.number for log in self._logs.values()]).decode()
        wanted = msgspec.json.encode(list(set(profiles))).decode()
        found: dict[str, bytes] = {}
        with explained(self.path):
            for profile, customer, lines in self._db.execute(_HISTORIES, (wanted, logs)):
                found[profile] = found.get(profile, b"") + (lines or b"") + self._tail.lines(customer)
        blobs = [found.get(profile, b"") for profile in profiles]
        lines = lines_of(b"".join(blobs))
        starts = np.zeros(len(blobs) + 1, np.int64)
        np.cumsum([len(blob) // LINE_BYTES for blob in blobs], out=starts[1:])
        return Histories(np.arange(len(blobs), dtype=np.uint32), starts, lines[:, 0], lines[:, 1])
