"""Purchases out of a CSV or Parquet file: one event per order, in time order, ready for the purchases topic.

In: a path and which column holds what. Out: batches of (key, value, time), and up front how many orders, lines and
customers there are. Promise: the same rows give the same bytes, from whichever file and however often; an event id
depends on the order alone, so that a second import is harmless. A row that cannot be used is counted, with its reason.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from consumers.decoding.fields import MAX_ID_CHARACTERS
from consumers.file_import.arrangement import Asked, open_arranged
from consumers.file_import.rejected_rows import LeftOut, leave_out_undecodable, rows_left_out, unfit_id
from consumers.file_import.tables import Progress, Reading, TableFile, literal, run, scratch

MAX_ITEMS_OF_AN_EVENT = 2_000  # the service takes 10,000 items and 1 MiB: this fits both, whatever the ids
_FETCH_ROWS = 20_000

# What is wrong with a row, the first that applies; the words are what the user reads.
_REASON = r"""CASE
 WHEN customer IS NULL THEN 'no customer' WHEN {bad_customer} THEN 'customer id too long or with control characters'
 WHEN product IS NULL THEN 'no product' WHEN {bad_product} THEN 'product id too long or with control characters'
 WHEN {bad_brand} THEN 'brand id too long or with control characters'
 WHEN time_ms IS NULL THEN 'time missing or not understood'
 WHEN time_ms < 0 THEN 'time before 1970' WHEN time_ms > {latest_ms} THEN 'time in the future'
 WHEN quantity_text IS NOT NULL AND (quantity IS NULL OR NOT isfinite(quantity)) THEN 'quantity is not a number'
 WHEN quantity <= 0 THEN 'quantity not above 0'
 WHEN price_text IS NOT NULL AND (price IS NULL OR NOT isfinite(price)) THEN 'price is not a number'
 WHEN price < 0 THEN 'price below 0' WHEN price > 1e12 THEN 'price above 1e12' END"""

_STAGE = """CREATE TABLE staged AS WITH
 texts AS (SELECT {row} AS row, {customer} AS customer, {order} AS order_id, {product} AS product, {brand} AS brand,
  {time} AS time_ms, {quantity} AS quantity_text, {price} AS price_text, alsobought_row
  FROM {source} AS alsobought_row),
 numbers AS (SELECT *, try_cast(quantity_text AS DOUBLE) AS quantity, try_cast(price_text AS DOUBLE) AS price
  FROM texts),
 judged AS (SELECT *, {reason} AS reason FROM numbers)
SELECT row, customer, order_id, product, brand, time_ms, quantity, price, reason,
 coalesce('o' || order_id, 't' || time_ms) AS basket, CASE WHEN reason IS NOT NULL THEN {content} END AS content
FROM judged"""
_ORDERS = """CREATE TABLE orders AS SELECT brand, customer, basket, min(time_ms) AS time_ms, min(row) AS first_row
FROM staged WHERE reason IS NULL GROUP BY ALL"""
_TOTALS = """SELECT count(*), count(DISTINCT customer), min(time_ms), max(time_ms),
 (SELECT count(*) FROM staged WHERE reason IS NULL) FROM orders"""
_IN_ORDER = """SELECT first_row, orders.time_ms, brand, customer, order_id, product, quantity, price
FROM staged JOIN orders USING (brand, customer, basket) WHERE reason IS NULL ORDER BY orders.time_ms, first_row, row"""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what. `order`, `quantity` and `price` may be absent under the name given here."""

    customer: str = "customer_id"
    product: str = "product_id"
    time: str = "ts"
    order: str | None = "order_id"  # without it: one order for each customer and time
    quantity: str | None = "quantity"
    price: str | None = "price"
    brand: str | None = None


_MAY_LACK = {"order": "order_id", "quantity": "quantity", "price": "price"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds, known before the first event."""

    orders: int
    lines: int  # rows that are used
    customers: int
    first: datetime | None
    last: datetime | None
    without: tuple[str, ...]  # of order, quantity, price: those for which the file has no column
    left_out: LeftOut


class Event(NamedTuple):
    """A record for the purchases topic."""

    key: bytes
    value: bytes
    time_ms: int


class PurchaseFile:
    """A file that has been read and judged; `batches` gives its events."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contents: Contents, notes: tuple[str, ...] = ()) -> None:
        self.contents = contents
        self.notes = notes  # what to say of how the files were read
        self._connection = connection

    def batches(self, orders: int = 1_000) -> Iterator[list[Event]]:
        """Yield every order once, oldest first (orders of one moment as in the file), about `orders` a batch.

        An order of more than 2,000 products comes as several events.
        """
        batch: list[Event] = []
        for _, lines in groupby(self._lines(), itemgetter(0)):
            batch += _events(list(lines))
            if len(batch) >= orders:
                yield batch
                batch = []
        if batch:
            yield batch

    def _lines(self) -> Iterator[tuple[Any, ...]]:
        found = self._connection.cursor().execute(_IN_ORDER)
        while rows := found.fetchmany(_FETCH_ROWS):
            yield from rows


@contextmanager
def open_purchases(
    path: Path | str | Sequence[Path | str],
    columns: Columns | None = None,
    *,
    latest_ms: int,
    brand_id: str = "",
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> Iterator[PurchaseFile]:
    """Read and judge files: what a path may be says `open_table`. `latest_ms`: later times are unusable.

    `brand_id` goes for rows that name no brand.

    Raises UnreadableFile for a file or column that is not there.
    """
    reading = reading or Reading()
    with scratch(reading.memory_mb) as connection:
        asked = Asked(asdict(columns or Columns()), _MAY_LACK.values(), "--{}-column", asdict(Columns()))
        table, found = open_arranged(connection, path, asked, reading, progress)
        run(connection, _stage(table, found, reading, brand_id, latest_ms), table.path, progress)
        leave_out_undecodable(connection, table)
        run(connection, _ORDERS, table.path)
        without = tuple(what for what in _MAY_LACK if found[what] is None)
        yield PurchaseFile(connection, _contents(connection, table, without), table.notes)


def _stage(table: TableFile, columns: dict[str, str | None], reading: Reading, brand_id: str, latest_ms: int) -> str:
    bad = {f"bad_{name}": unfit_id(name, MAX_ID_CHARACTERS) for name in ("customer", "product", "brand")}
    return _STAGE.format(
        row=table.row,
        customer=table.text(columns["customer"]),
        order=table.text(columns["order"]),
        product=table.text(columns["product"]),
        brand=f"coalesce({table.text(columns['brand'])}, {literal(brand_id)})",
        time=table.time_ms(str(columns["time"]), reading.time_format),
        quantity=table.text(columns["quantity"]),
        price=table.text(columns["price"]),
        source=table.source,
        reason=_REASON.format(latest_ms=latest_ms, **bad),
        content=table.content(),
    )


def _contents(connection: duckdb.DuckDBPyConnection, table: TableFile, without: tuple[str, ...]) -> Contents:
    totals = connection.execute(_TOTALS).fetchone()
    assert totals is not None
    orders, customers, first, last, lines = totals
    left_out = rows_left_out(connection, table)
    return Contents(orders, lines, customers, _moment(first), _moment(last), without, left_out)


def _events(lines: list[tuple[Any, ...]]) -> list[Event]:
    _, time_ms, brand, customer, order_id, *_ = lines[0]
    items = _items(lines)
    identity = [brand, customer, time_ms, _sorted(items)] if order_id is None else [brand, customer, order_id]
    value: dict[str, Any] = {"event_id": "", "profile_id": customer}
    if brand:
        value["brand_id"] = brand
    value["occurred_at"] = rfc3339(time_ms)
    events = []
    for at in range(0, len(items), MAX_ITEMS_OF_AN_EVENT):
        value["event_id"] = _hash([*identity, at] if at else identity)
        value["items"] = items[at : at + MAX_ITEMS_OF_AN_EVENT]
        events.append(Event(customer.encode(), msgspec.json.encode(value), time_ms))
    return events


def _items(lines: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """One item a product: quantities of repeated lines summed, the price of the last line that says one."""
    items: dict[str, dict[str, Any]] = {}
    for *_, product, quantity, price in lines:
        item = items.setdefault(product, {"product_id": product})
        if quantity is not None:
            item["quantity"] = _plain(item.get("quantity", 0) + quantity)
        if price is not None:
            item["price"] = price
    return list(items.values())


def _sorted(items: list[dict[str, Any]]) -> list[list[Any]]:
    """The items' values in an order that does not depend on the file's."""
    return sorted(([item["product_id"], item.get("quantity"), item.get("price")] for item in items), key=itemgetter(0))


def rfc3339(time_ms: int) -> str:
    """A time as text in UTC, with milliseconds only where there are any."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{time_ms % 1000:03}Z" if time_ms % 1000 else f"{moment}Z"


def _hash(identity: list[Any]) -> str:
    return "import-" + blake2b(msgspec.json.encode(identity), digest_size=16).hexdigest()


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _moment(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC)
