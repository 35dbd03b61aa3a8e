"""The store's SQL, statement by statement: what it reads, and what it writes inside the transactions of the writer."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from model.catalogue.product import Product
from model.store.codec import Orders, pack
from model.store.plan import BatchPlan, Log
from model.store.write_buffer import WriteBuffer

# (cluster, topic, topic id): offsets mean nothing outside of it
Source = tuple[str, str, str]

CUSTOMERS = "SELECT profile, log, id FROM customer WHERE profile IN (SELECT value FROM json_each(?))"
# the log is looked at here: SQLite would look for each customer in each log
HISTORIES = (
    "SELECT c.profile, c.log, c.id, h.lines FROM customer c LEFT JOIN history h ON h.customer = c.id "
    "WHERE c.profile IN (SELECT value FROM json_each(?)) ORDER BY c.profile, c.log"
)
HISTORIES_OF = "SELECT customer, log, lines FROM history WHERE customer IN (SELECT value FROM json_each(?))"
PRODUCTS = "SELECT id, paid, brand, product_id, price, title, category, withdrawn FROM product ORDER BY id"

_SOURCE = "cluster = ? AND topic = ? AND topic_id = ?"
_LAST_LOG = (
    "SELECT id, next, generation FROM log WHERE cluster = ? AND topic = ? AND topic_id = ? AND partition = ? "
    "ORDER BY generation DESC LIMIT 1"
)
_NEW_LOG = (
    "INSERT INTO log(cluster, topic, topic_id, partition, generation, next, current) VALUES (?, ?, ?, ?, ?, 0, 1)"
)
_CURRENT_LOG = "UPDATE log SET current = (id = ?) WHERE cluster = ? AND topic = ? AND topic_id = ? AND partition = ?"
_LAST_GENERATIONS = (
    "UPDATE log SET current = (SELECT max(generation) FROM log o WHERE (o.cluster, o.topic, o.topic_id, o.partition) = "
    "(log.cluster, log.topic, log.topic_id, log.partition)) = generation "
    "WHERE cluster = ? AND topic = ? AND topic_id = ?"
)
_COUNT_ERASED = (
    "INSERT INTO meta VALUES ('customers_erased', ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value"
)
_ADD_MISSING = "INSERT INTO meta VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value"
_FOLD = (
    "INSERT INTO history VALUES (?, ?, ?) "
    "ON CONFLICT(customer) DO UPDATE SET lines = CAST(lines || excluded.lines AS BLOB)"
)
_LIST = (
    "INSERT INTO product(brand, product_id, price, title, category, withdrawn) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT(brand, product_id) DO UPDATE SET price = excluded.price, title = excluded.title, "
    "category = excluded.category, withdrawn = excluded.withdrawn"
)


def open_log(db: sqlite3.Connection, source: Source, partition: int, *, restart: bool) -> Log:
    """Make the log's last generation the current one, a new generation when there is none or `restart` asks for it."""
    key = (*source, partition)
    row = db.execute(_LAST_LOG, key).fetchone()
    if row is None or restart:
        generation = row[2] + 1 if row else 0
        row = (db.execute(_NEW_LOG, (*key, generation)).lastrowid, 0)
    db.execute(_CURRENT_LOG, (row[0], *key))
    return Log(row[0], row[1])


def use_topic(db: sqlite3.Connection, source: Source) -> int:
    """Make the last generation of each of this topic's logs current and no other log; returns the others' records."""
    other = f"SELECT coalesce(sum(next), 0) FROM log WHERE current AND NOT ({_SOURCE})"  # noqa: S608 - our own words
    (set_aside,) = db.execute(other, source).fetchone()
    db.execute(f"UPDATE log SET current = 0 WHERE NOT ({_SOURCE})", source)  # noqa: S608
    db.execute(_LAST_GENERATIONS, source)
    return int(set_aside)


def add_missing(db: sqlite3.Connection, log: int, cause: str, count: int) -> None:
    """Remember that so many records of a log were gone before they were read."""
    db.execute(_ADD_MISSING, (f"missing:{log}:{cause}", str(count)))


def missing(db: sqlite3.Connection) -> dict[tuple[int, str], int]:
    """(number of the log, cause) -> how many of its records were gone before they were read."""
    rows = db.execute("SELECT name, value FROM meta WHERE name LIKE 'missing:%'")
    split = ((name.split(":"), value) for name, value in rows)
    return {(int(log), cause): int(value) for (_, log, cause), value in split}


def write_plan(db: sqlite3.Connection, plan: BatchPlan, logs: Mapping[int, Log], first_product: int) -> None:
    """Everything that a batch changes; its new products are numbered from `first_product` on."""
    _erase(db, plan.gone)
    if plan.new_customers:
        db.executemany("INSERT INTO customer VALUES (?, ?, ?)", plan.new_customers)
    db.execute("INSERT OR REPLACE INTO meta VALUES ('last_customer', ?)", (str(plan.last_customer),))
    number_products(db, plan.products, first_product, plan.paid)
    if plan.orders is not None:
        _append_to_tail(db, plan.orders)
    moved = [(offset, logs[partition].number) for partition, offset in plan.nexts.items()]
    db.executemany("UPDATE log SET next = ? WHERE id = ?", moved)


def _erase(db: sqlite3.Connection, gone: Mapping[int, str]) -> None:
    """Zeros where the customers stood, which is what SQLite's secure_delete leaves."""
    if not gone:
        return
    db.executemany(
        "DELETE FROM customer WHERE profile = ? AND id = ?", [(name, number) for number, name in gone.items()]
    )
    db.executemany("DELETE FROM history WHERE customer = ?", [(number,) for number in gone])
    db.execute(_COUNT_ERASED, (len(gone),))


def number_products(
    db: sqlite3.Connection, products: Iterable[tuple[str, str]], first: int, paid: Mapping[int, float]
) -> None:
    """New (brand, product id), numbered from `first` on; `paid` is what they cost, by number, where it was said."""
    rows = [(number, *product, paid.get(number)) for number, product in enumerate(products, first)]
    db.executemany("INSERT INTO product(id, brand, product_id, paid) VALUES (?, ?, ?, ?)", rows)


def last_row_of_tail(db: sqlite3.Connection) -> int:
    """The tail's newest row, 0 when it is empty."""
    (row,) = db.execute("SELECT coalesce(max(id), 0) FROM tail").fetchone()
    return int(row)


def divide_tail(
    db: sqlite3.Connection, last: int, parts: Sequence[Orders], windows: Iterable[tuple[int, bytes, int]]
) -> list[int]:
    """Put parts in the place of the tail up to row `last`, before all newer rows; returns theirs, which may be below 0.

    `windows` are the recent events, by log.
    """
    db.executemany("INSERT OR REPLACE INTO recent_event VALUES (?, ?, ?)", windows)
    db.execute("DELETE FROM tail WHERE id <= ?", (last,))
    rows = list(range(last - len(parts) + 1, last + 1))
    db.executemany("INSERT INTO tail(id, orders) VALUES (?, ?)", zip(rows, map(pack, parts), strict=True))
    return rows


def _append_to_tail(db: sqlite3.Connection, orders: Orders) -> None:
    db.execute("INSERT INTO tail(orders) VALUES (?)", (pack(orders),))


def fold(db: sqlite3.Connection, row: int, waiting: WriteBuffer) -> None:
    """Move a row of the tail, which holds these lines, into the rows of its customers and products."""
    db.executemany(_FOLD, waiting.rows())
    prices = [(price, number) for number, price in waiting.paid.items()]
    db.executemany("UPDATE product SET paid = ? WHERE id = ?", prices)
    db.execute("DELETE FROM tail WHERE id = ?", (row,))


def list_products(db: sqlite3.Connection, products: Iterable[Product], positions: Mapping[str, int]) -> None:
    """Catalogue entries and the catalogue's next offsets. SQLite numbers new ones on, in this order."""
    db.executemany(_LIST, products)
    rows = [(f"catalogue:{name}", str(offset)) for name, offset in positions.items()]
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
