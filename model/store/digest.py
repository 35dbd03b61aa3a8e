"""One number for what a database says: two files with the same digest give every customer the same sequence.

In: the file. Out: sha256 over the sequences by customer and partition (brand, product and time of every line, in order
of arrival) and over the catalogue. Not in it: numbers that each file gives in its own way, and the price paid last,
which depends on which partition was read first.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.catalogue.product import Product
from model.store.reader import StoreContents, contents_of, reading
from model.store.schema import consistent, damaged
from model.store.statements import missing

_CUSTOMERS = (
    "SELECT profile, partition, customer.id FROM customer JOIN log ON log.id = customer.log WHERE current "
    "ORDER BY profile, partition"
)
_CATALOGUE = (
    "SELECT brand, product_id, price, title, category, withdrawn FROM product "
    "WHERE price IS NOT NULL OR title IS NOT NULL OR category IS NOT NULL OR withdrawn ORDER BY brand, product_id"
)


@dataclass(frozen=True, slots=True)
class State:
    """What a file says, in one number and a few counts."""

    digest: str  # 64 hexadecimal digits
    customers: int  # who have a sequence
    lines: int
    listed: int  # products of which the catalogue says something
    offsets: dict[int, int]  # partition -> how far purchases were read
    records: int  # of purchases that were read: fewer than the offsets where some were gone before


def read_state(path: Path) -> State:
    """The state of a file at one moment. Raises `StoreUnavailable`, also when the file contradicts itself."""
    with reading(path) as db, consistent(path):
        return _state(db)


def check_soundness(path: Path) -> None:
    """Let SQLite look at every page of the file. Raises `StoreUnavailable` with the first thing it finds."""
    with reading(path) as db:
        (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, str(found))


def _state(db: sqlite3.Connection) -> State:
    contents = contents_of(db)
    digest, customers, listed = hashlib.sha256(), 0, 0
    for sequence in _sequences(contents, db):
        digest.update(sequence)
        customers += 1
    for entry in db.execute(_CATALOGUE):
        digest.update(msgspec.msgpack.encode(entry))
        listed += 1
    offsets = dict(contents.watermark.offsets)
    records = sum(offsets.values()) - _missing(db)
    return State(
        digest=digest.hexdigest(),
        customers=customers,
        lines=len(contents.histories.products),
        listed=listed,
        offsets=offsets,
        records=records,
    )


def _missing(db: sqlite3.Connection) -> int:
    """Records of the logs that count which were gone before they were read."""
    current = {number for (number,) in db.execute("SELECT id FROM log WHERE current")}
    return sum(count for (log, _), count in missing(db).items() if log in current)


def _sequences(contents: StoreContents, db: sqlite3.Connection) -> Iterator[bytes]:
    """Each customer's name, partition and lines, in an order that no file has a say in."""
    histories = contents.histories
    place = {number: at for at, number in enumerate(histories.customers.tolist())}
    bounds = histories.starts.tolist()
    lines = np.column_stack((_hashes(contents.products)[histories.products], histories.times.astype("<u8")))
    for profile, partition, number in db.execute(_CUSTOMERS):
        at = place.get(number)
        if at is not None:
            sequence = lines[bounds[at] : bounds[at + 1]].tobytes()
            yield msgspec.msgpack.encode((profile, partition, sequence))


def _hashes(products: Sequence[Product]) -> NDArray[np.uint64]:
    """uint64 by product number: what stands for brand and product id."""
    keys = (hashlib.blake2b(product.key.encode(), digest_size=8).digest() for product in products)
    return np.frombuffer(b"".join(keys), "<u8")
