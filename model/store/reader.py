"""The trainer's view of the store: everything that was bought, read in one transaction from another process."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.catalogue.product import Product
from model.purchases.histories import Histories
from model.store.codec import LINE_BYTES, UINT32, Orders, lines_of, refuse_unknown, unpack
from model.store.schema import consistent, database_id, explained, open_to_read

_PRODUCTS = "SELECT paid, brand, product_id, price, title, category, withdrawn FROM product ORDER BY id"
_CURRENT = "SELECT id FROM log WHERE current"


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a reader has seen: the next offset of each partition, and how many events that makes."""

    database_id: str
    offsets: dict[int, int]
    source: str = ""  # the topic that the offsets are of: cluster, name and id, as `source_of` joins them

    @property
    def events(self) -> int:
        """Events read so far, bad ones included."""
        return sum(self.offsets.values())


@dataclass(frozen=True, slots=True)
class StoreContents:
    """Everything in the store at one moment."""

    watermark: Watermark
    histories: Histories  # customers ascending, each customer's lines in order of arrival
    products: list[Product]  # by product number, number 0 is a placeholder
    customers_erased: int = 0  # how many were forgotten since the file was made


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of the file. Raises `StoreUnavailable`."""
    db = open_to_read(path)
    try:
        with explained(path):
            db.execute("BEGIN")
            yield db
    finally:
        db.close()


def make_durable(path: Path) -> None:
    """Have all that was read reach the disk: a power cut leaves no model that knows more than the database.

    SQLite itself syncs its write-ahead log only now and then; after a cut it may have lost what was committed last, and
    customers who come again may get other numbers than a model has learnt.
    """
    for file in (path.with_name(f"{path.name}-wal"), path):  # what leaves the log stands in the file, in this order
        with suppress(FileNotFoundError), file.open("rb") as opened:
            os.fsync(opened.fileno())


def read_watermark(path: Path) -> Watermark:
    """How far the worker has come; cheap. Raises `StoreUnavailable`."""
    with reading(path) as db:
        return _watermark(db)


def read_contents(path: Path) -> StoreContents:
    """Everything, for training. Raises `StoreUnavailable`."""
    with reading(path) as db, consistent(path):
        return contents_of(db)


def read_histories(path: Path) -> Histories:
    """The histories alone: the names of a million products would take a worker's memory twice.

    Raises `StoreUnavailable`.
    """
    with reading(path) as db, consistent(path):
        histories = _histories(db, _tail(db))
        (products,) = db.execute("SELECT count(*) FROM product").fetchone()
        refuse_unknown(histories.products, products + 1)
        return histories


def contents_of(db: sqlite3.Connection) -> StoreContents:
    """As `read_contents`, within a transaction that is already open; what contradicts itself raises as it comes."""
    tail = _tail(db)
    contents = StoreContents(_watermark(db), _histories(db, tail), _products(db, tail), _erased(db))
    refuse_unknown(contents.histories.products, len(contents.products))
    return contents


def _tail(db: sqlite3.Connection) -> list[Orders]:
    return [unpack(blob) for (blob,) in db.execute("SELECT orders FROM tail ORDER BY id")]


def _watermark(db: sqlite3.Connection) -> Watermark:
    rows = db.execute("SELECT partition, next FROM log WHERE current ORDER BY partition")
    source = db.execute("SELECT cluster, topic, topic_id FROM log WHERE current LIMIT 1").fetchone()
    return Watermark(database_id(db), dict(rows.fetchall()), source_of(*source) if source else "")


def source_of(cluster: str, topic: str, topic_id: str) -> str:
    """One name for a topic of a cluster, which one made anew does not share."""
    return f"{cluster}/{topic}/{topic_id}"


def _erased(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT value FROM meta WHERE name = 'customers_erased'").fetchone()
    return int(row[0]) if row else 0


def _products(db: sqlite3.Connection, tail: Sequence[Orders]) -> list[Product]:
    """The products with the catalogue's price, else the one that was paid last."""
    products = [Product("", "")]
    paid: list[float | None] = [None]
    for last_paid, *about, withdrawn in db.execute(_PRODUCTS):
        products.append(Product._make((*about, bool(withdrawn))))
        paid.append(last_paid)
    for orders in tail:
        for number, price in orders.prices_paid().items():
            paid[number] = price
    return [
        product if product.price is not None else product._replace(price=price)
        for product, price in zip(products, paid, strict=True)
    ]


def _histories(db: sqlite3.Connection, tail: Sequence[Orders]) -> Histories:
    """Folded lines, then those of the tail: both in order of arrival, so a stable sort by customer keeps it."""
    query = f"SELECT customer, lines FROM history WHERE log IN ({_CURRENT}) ORDER BY customer"  # noqa: S608
    rows = db.execute(query).fetchall()
    owners = [np.repeat(np.array([row[0] for row in rows], UINT32), [len(row[1]) // LINE_BYTES for row in rows])]
    lines = [lines_of(b"".join(row[1] for row in rows))]
    current = [log for (log,) in db.execute(_CURRENT)]
    for orders in tail:
        mine = np.repeat(np.isin(orders.logs, current), orders.sizes)
        owners.append(np.repeat(orders.customers, orders.sizes)[mine])
        lines.append(orders.lines()[mine])
    owner, line = np.concatenate(owners), np.concatenate(lines)
    order = np.argsort(owner, kind="stable")
    owner, line = owner[order], line[order]
    numbers, starts = np.unique(owner, return_index=True)
    return Histories(numbers, np.append(starts, len(owner)).astype(np.int64), line[:, 0], line[:, 1])
