"""Purchases out of files: one event per order, in time order, ready for the purchases topic.

In: paths and which column holds what. Out: batches of (key, value, time), and up front how many orders, lines and
customers there are. Promise: the same rows give the same bytes, from whichever file and however often; an event id
depends on the order alone, so that a second import is harmless. A row that cannot be used is counted, with its reason.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from consumers.file_import import earlier_imports, numbers, order_lines
from consumers.file_import.arrangement import Asked, open_arranged
from consumers.file_import.conditions import Condition
from consumers.file_import.earlier_imports import MAX_ITEMS_OF_AN_EVENT, Compared, addition_id, event_id
from consumers.file_import.parts import Reading
from consumers.file_import.rejected_rows import LeftOut, leave_out_undecodable, rows_left_out
from consumers.file_import.remarks import ProductIds, one_customer_too_many, product_ids
from consumers.file_import.tables import TableFile, run, scratch
from consumers.file_import.times import EARLIEST_MS
from consumers.kafka.clients import KafkaClients
from model.progress import Progress

_FETCH_ROWS = 20_000

_ORDERS = """CREATE TABLE orders AS SELECT brand, customer, basket, min(time_ms) AS time_ms, min(row) AS first_row
FROM staged WHERE reason IS NULL GROUP BY ALL"""
_TOTALS = """SELECT count(*), count(DISTINCT customer), min(time_ms), max(time_ms),
 (SELECT count(*) FROM staged WHERE reason IS NULL) FROM orders"""
_IN_ORDER = """SELECT orders.first_row, coalesce(known.time_ms, orders.time_ms) AS time_ms, brand, customer, order_id,
 known.first_row IS NOT NULL AS is_known, product, staged.quantity, staged.price
FROM staged JOIN orders USING (brand, customer, basket) LEFT JOIN known ON known.first_row = orders.first_row
WHERE reason IS NULL AND NOT EXISTS
 (SELECT 1 FROM there WHERE there.first_row = orders.first_row AND there.product = staged.product)
ORDER BY 2, orders.first_row, row"""


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
    clock: str | None = None  # the time of day, where `time` holds the date alone


_MAY_LACK = {"order": "order_id", "quantity": "quantity", "price": "price"}


@dataclass(frozen=True, slots=True)
class FileContents:
    """What a file holds, known before the first event."""

    orders: int
    lines: int  # rows that are used
    customers: int
    first: datetime | None
    last: datetime | None
    without: tuple[str, ...]  # of order, quantity, price: those for which the file has no column
    left_out: LeftOut
    no_price: tuple[int, tuple[tuple[int, str], ...]] = (0, ())  # prices not understood: how many, the first few
    remarks: tuple[str, ...] = ()  # how the files were read, and what is worth saying of them


class PurchaseRecord(NamedTuple):
    """A record for the purchases topic."""

    key: bytes
    value: bytes
    time_ms: int


class PurchaseFile:
    """A file that has been read and validated; `batches` gives its events."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contents: FileContents) -> None:
        self.contents = contents
        self._connection = connection

    @property
    def product_ids(self) -> ProductIds:
        """The products that were bought."""
        return product_ids(self._connection, "staged", "reason IS NULL")

    def compare(self, clients: KafkaClients, topic: str, progress: Progress | None = None) -> Compared:
        """Look at what earlier imports sent to the topic; from now on `batches` gives only what is new.

        Raises BrokerUnavailable.
        """
        return earlier_imports.compare(self._connection, clients, topic, progress)

    def forget_comparison(self) -> None:
        """Let `batches` give everything again."""
        earlier_imports.prepare(self._connection)

    def batches(self, orders: int = 1_000) -> Iterator[list[PurchaseRecord]]:
        """Yield every order once, oldest first (orders of one moment as in the file), about `orders` a batch.

        An order of more than 2,000 products comes as several events, and so do products that were added to an order.
        """
        batch: list[PurchaseRecord] = []
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
    earliest_ms: int = EARLIEST_MS,
    brand_id: str = "",
    reading: Reading | None = None,
    where: Sequence[Condition] = (),
    decimal: str | None = None,
    progress: Progress | None = None,
) -> Iterator[PurchaseFile]:
    """Read and validate files; what a path may be says `open_table`.

    Times before `earliest_ms` and after `latest_ms` are unusable; `brand_id` goes for rows that name no brand; `where`:
    what a row must fulfil; `decimal`: the mark of fractions, found out when None. Raises UnreadableFile for a file or
    column that is not there, UnfitTimeFormat for a time format that is none.
    """
    reading = reading or Reading()
    with scratch(reading.memory_mb) as connection:
        asked = Asked(
            named=asdict(columns or Columns()),
            may_lack=_MAY_LACK.values(),
            option="--{}-column",
            usual=asdict(Columns()),
            conditions=tuple(condition.column for condition in where),
        )
        table, found = open_arranged(connection, path, asked, reading, progress)
        task = order_lines.Task(
            columns=found,
            time_format=reading.time_format,
            earliest_ms=earliest_ms,
            latest_ms=latest_ms,
            brand_id=brand_id,
            where=where,
            decimal=decimal,
        )
        said = order_lines.stage(connection, table, task, progress)
        leave_out_undecodable(connection, table)
        run(connection, _ORDERS, table.path)
        connection.create_function("import_id", earlier_imports.order_id)
        earlier_imports.prepare(connection)
        without = tuple(what for what in _MAY_LACK if found[what] is None)
        remarks = (*table.remarks, *said, *one_customer_too_many(connection, str(found["customer"])))
        yield PurchaseFile(connection, _contents(connection, table, without, remarks))


def _contents(
    connection: duckdb.DuckDBPyConnection, table: TableFile, without: tuple[str, ...], remarks: tuple[str, ...]
) -> FileContents:
    totals = connection.execute(_TOTALS).fetchone()
    assert totals is not None
    orders, customers, first, last, lines = totals
    return FileContents(
        orders=orders,
        lines=lines,
        customers=customers,
        first=_moment(first),
        last=_moment(last),
        without=without,
        left_out=rows_left_out(connection, table),
        no_price=numbers.prices_not_understood(connection),
        remarks=remarks,
    )


def _events(lines: list[tuple[Any, ...]]) -> list[PurchaseRecord]:
    _, time_ms, brand, customer, order_id, is_known, *_ = lines[0]
    items = _items(lines)
    value: dict[str, Any] = {"event_id": "", "profile_id": customer}
    if brand:
        value["brand_id"] = brand
    value["occurred_at"] = rfc3339(time_ms)
    if is_known:
        first = event_id([brand, customer, time_ms if order_id is None else order_id])
        parts = [(addition_id(first, item["product_id"]), [item]) for item in items]
    else:
        identity = [brand, customer, time_ms, _sorted(items)] if order_id is None else [brand, customer, order_id]
        starts = range(0, len(items), MAX_ITEMS_OF_AN_EVENT)
        parts = [
            (event_id([*identity, at] if at else identity), items[at : at + MAX_ITEMS_OF_AN_EVENT]) for at in starts
        ]
    events = []
    for value["event_id"], value["items"] in parts:
        events.append(PurchaseRecord(customer.encode(), msgspec.json.encode(value), time_ms))
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


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _moment(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC)
