"""Every customer's purchases and the next Kafka offsets, in one SQLite file with one writer.

A batch of log records comes in; its order lines, new customers, new products and the next offsets are committed
together or not at all, so an order is counted once however often it is read. Fresh lines wait in a `tail` (a row for
each batch, mirrored in memory) and are folded into one row for each customer (`folding`), which keeps a read at one
statement for a whole micro-batch of customers. Layouts compared: tests/benchmarks/bench_store.py.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from model.catalogue.packed_products import PackedProducts
from model.catalogue.product import Product
from model.catalogue.product_numbers import ProductNumbers
from model.catalogue.shown_prices import shortest_price
from model.purchases.changes import LogRecord
from model.purchases.histories import Histories
from model.purchases.log_batch import LogBatch
from model.store import statements
from model.store.codec import Orders, refuse_unknown, unpack
from model.store.customer_numbers import CustomerNumbers
from model.store.dedupe_window import DedupeWindow, key_of
from model.store.folding import Folding
from model.store.history_lookup import HistoryLookup
from model.store.plan import Applied, BatchPlan, Log, StoreView
from model.store.schema import StoreUnavailable, busy_timeout_ms, consistent, database_id, explained, open_to_write

_NONE_MISSING: Mapping[tuple[int, str], int] = MappingProxyType({})


class Store:
    """The writer's view of the file. Not shared between threads; other processes read by `model.store.reader`."""

    def __init__(
        self,
        path: Path,
        *,
        fold_every_events: int = 20_000,
        dedupe_window_events: int = 50_000,
        customers_in_memory: int = 250_000,
        history_cache_bytes: int = 2**28,
    ) -> None:
        """Open `path`, made or migrated as needed. Raises `StoreUnavailable` or `NewerSchema`."""
        self.path = path
        self._db = open_to_write(path)
        self._logs: dict[int, Log] = {}  # partition -> log, of the partitions assigned to this worker
        self._numbers = ProductNumbers()
        self._recent = DedupeWindow(dedupe_window_events)
        self._folding = Folding(
            transaction=self._transaction, numbers=self._numbers, recent=self._recent, every_events=fold_every_events
        )
        self._customers = CustomerNumbers(customers_in_memory)
        self._histories = HistoryLookup(
            path=path, db=self._db, logs=self._logs, folding=self._folding, cache_bytes=history_cache_bytes
        )
        self._erased_in_wal = False
        try:
            with explained(path), consistent(path):
                self.database_id = database_id(self._db)
                self._load()
        except StoreUnavailable:
            self._db.close()
            raise

    def _load(self) -> None:
        for number, paid, *about, withdrawn in self._db.execute(statements.PRODUCTS):
            added = self._numbers.add(Product._make((*about, bool(withdrawn))), paid)
            assert number == added, "product numbers are dense"
        row = self._db.execute("SELECT value FROM meta WHERE name = 'last_customer'").fetchone()
        self._last_customer = int(row[0]) if row else 0
        self._customers.complete = self._last_customer == 0
        self._recent.key = key_of(self.database_id)
        self._recent.load(self._db.execute("SELECT log, hashes, old FROM recent_event"))
        for blob, old in self._db.execute("SELECT orders, old FROM tail ORDER BY id"):
            orders = unpack(blob)
            refuse_unknown(orders.products, len(self._numbers))
            self._keep(orders, old=bool(old))

    def close(self) -> None:
        """Fold what waits and close the file; it can be opened again at once."""
        with suppress(StoreUnavailable):  # the tail is in the file as well: the next start reads it
            self.fold()
            self._empty_write_ahead_log(wait=True)
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
        with self._transaction() as db:
            log = statements.open_log(db, (cluster, topic, topic_id), partition, restart=restart)
        self._logs[partition] = log
        self._histories.clear()
        return log

    def skip_to(self, partition: int, offset: int, cause: str = "retention") -> None:
        """Move the next offset past records that the broker no longer has; how many those were stays known."""
        log = self._logs[partition]
        with self._transaction() as db:
            db.execute("UPDATE log SET next = ? WHERE id = ?", (offset, log.number))
            statements.add_missing(db, log.number, cause, offset - log.next)
        log.next = offset

    def missing(self) -> dict[tuple[int, str], int]:
        """(partition, cause) -> records of the open logs that were gone before they were read, since their start."""
        with explained(self.path), consistent(self.path):
            known = statements.missing(self._db)
        numbers = {log.number: partition for partition, log in self._logs.items()}
        return {(numbers[log], cause): count for (log, cause), count in known.items() if log in numbers}

    def close_log(self, partition: int) -> None:
        """The partition is another worker's now: its customers are no longer answered from here."""
        self._logs.pop(partition, None)
        self._histories.clear()

    def next_offset(self, partition: int) -> int:
        """The offset that the next record of an open log must have or exceed."""
        return self._logs[partition].next

    def use_topic(self, cluster: str, topic: str, topic_id: str) -> int:
        """Answer and learn from this topic's logs only; returns how many records of other logs that sets aside.

        They stay in the file, and come back when their topic does.
        """
        with self._transaction() as db:
            return statements.use_topic(db, (cluster, topic, topic_id))

    # -- writing

    def apply(self, records: Sequence[LogRecord], missing: Mapping[tuple[int, str], int] = _NONE_MISSING) -> Applied:
        """Count a batch of records, once each, and move the offsets, all in one transaction.

        A record below its log's next offset was applied before and is skipped; so is an order whose event id is among
        the last ones of its log. Records of partitions that are not open are refused by KeyError. `missing`
        maps (partition, cause) to records that were gone before these, remembered in the same transaction.
        """
        batch = LogBatch.of(records)
        if batch.forgets:
            self.fold()  # so that no blob but a customer's own row holds lines that must go
        self._find_customers(batch)
        known = StoreView(
            logs=self._logs,
            customers=self._customers,
            last_customer=self._last_customer,
            products=self._numbers,
            recent=self._recent,
        )
        plan = BatchPlan(known, batch)
        self._histories.drop(batch)
        with self._transaction() as db:
            self._write(db, plan)
            for (partition, cause), count in missing.items():
                statements.add_missing(db, self._logs[partition].number, cause, count)
        self._remember(plan)
        self._erased_in_wal |= bool(plan.gone)
        if self._erased_in_wal:
            self._empty_write_ahead_log()
        self._folding.go_on(len(batch), self._last_customer)
        return plan.result

    def _find_customers(self, batch: LogBatch) -> None:
        """Have the numbers of this batch's customers in memory."""
        self._customers.make_room()
        if self._customers.complete:
            return
        unknown = self._customers.unknown(batch, {number: log.number for number, log in self._logs.items()})
        names = msgspec.json.encode(sorted(unknown)).decode()
        with explained(self.path):
            self._customers.add(self._db.execute(statements.CUSTOMERS, (names,)))

    def _write(self, db: sqlite3.Connection, plan: BatchPlan) -> None:
        statements.write_plan(db, plan, self._logs, len(self._numbers))

    def _remember(self, plan: BatchPlan) -> None:
        """Memory follows the file: only what is committed is remembered."""
        self._last_customer = plan.last_customer
        self._customers.drop(plan.gone.values())
        self._customers.add(plan.new_customers)
        self._numbers.add_all(plan.products, plan.paid)
        for partition, offset in plan.nexts.items():
            self._logs[partition].next = offset
        if plan.orders is not None:
            self._keep(plan.orders)

    def _keep(self, orders: Orders, *, old: bool = False) -> None:
        self._folding.keep(orders)
        for log in np.unique(orders.logs).tolist():
            self._recent.remember(log, orders.hashes[orders.logs == log].tolist(), old=old)

    def _empty_write_ahead_log(self, *, wait: bool = False) -> None:
        """Erased bytes may still stand in it. While a reader needs it, it stays, and the next batch tries again."""
        with explained(self.path), busy_timeout_ms(self._db, None if wait else 0):
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._erased_in_wal &= bool(busy)

    def fold(self) -> None:
        """Move all waiting lines into their customers' rows."""
        self._folding.finish()

    def list_products(self, listed: Sequence[Product], positions: Mapping[str, int]) -> list[int]:
        """Take up catalogue entries (new or changed, the last of one product wins), and the catalogue's next offsets.

        Returns the products' numbers. `positions` are kept as they are given, see `catalogue_positions`.
        """
        latest = {(product.brand, product.product_id): product for product in listed}.values()
        with self._transaction() as db:
            statements.list_products(db, latest, positions)
        return [self._numbers.list(product) for product in latest]

    def numbers_of(self, products: Sequence[tuple[str, str]]) -> list[int]:
        """The numbers of these (brand, product_id); those never seen before are given one."""
        unknown = list(dict.fromkeys(product for product in products if product not in self._numbers))
        if unknown:
            with self._transaction() as db:
                statements.number_products(db, unknown, len(self._numbers), {})
            self._numbers.add_all(unknown, {})
        found = [self._numbers.number_of(*product) for product in products]
        return [number for number in found if number is not None]

    # -- reading

    @property
    def brands(self) -> Collection[str]:
        """Every brand that has a product, "" among them where products have none."""
        return self._numbers.brands

    def brands_of(self, product_id: str) -> list[str]:
        """The brands that have a product of this id."""
        return self._numbers.brands_of(product_id)

    def catalogue_positions(self) -> dict[str, int]:
        """What `list_products` was last told for each name."""
        with explained(self.path):
            rows = self._db.execute("SELECT substr(name, 11), value FROM meta WHERE name LIKE 'catalogue:%'")
            return {name: int(value) for name, value in rows}

    def products(self) -> PackedProducts:
        """The products by number; number 0 is a placeholder. A live view: it grows as products are first bought."""
        return self._numbers.by_number

    def price_of(self, number: int) -> float | None:
        """The catalogue's price, else the one that was paid last, as it is shown, else None."""
        listed = self._numbers.by_number[number].price
        if listed is not None:
            return listed
        waiting = self._folding.price_paid(number)
        paid = self._numbers.price_of(number) if waiting is None else waiting
        return None if paid is None else shortest_price(paid)

    def number_of(self, brand: str, product_id: str) -> int | None:
        """The product's number, None when it was never bought nor listed."""
        return self._numbers.number_of(brand, product_id)

    def histories(self, profiles: Sequence[str]) -> Histories:
        """What these customers bought, in their order; the number of one who is unknown is 0.

        Only partitions that this worker reads now count. A customer who is unknown has no lines. Who was not asked for
        lately is read from the file, all in one statement.
        """
        return self._histories.of_profiles(profiles)

    def histories_of(self, customers: Sequence[int]) -> Histories:
        """As `histories`, by customer number, ascending; who bought nothing in this worker's partitions is left out."""
        return self._histories.of_customers(customers)
