"""What earlier imports sent: compared order by order with a file, so that only what is new goes to the topic.

In: the purchases topic, and the scratch database in which the file's orders lie. Out: two tables, `known` (orders that
the topic has) and `there` (the products it has of them), and the counts of it. Promise: of records with one event id
only the first counts, as for the service; the comparison lies on disk, however long the topic.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from confluent_kafka import KafkaException

from consumers.file_import.tables import Progress, literal
from consumers.kafka.clients import KafkaClients
from consumers.kafka.records import Record
from consumers.kafka.topic_reader import extents, read_extent

MAX_ITEMS_OF_AN_EVENT = 2_000  # the service takes 10,000 items and 1 MiB: this fits both, whatever the ids
_OURS = "import-"
_MARK = b'"import-'
_ID_CHARACTERS = len(_OURS) + 32  # what follows says what was added to the order of this id
_AT_ONCE = 5_000
_AT_A_STRETCH: dict[str, Any] = {
    "fetch_message_max_bytes": "4194304",
    "queued_max_messages_kbytes": "65536",
}  # nobody waits behind it
_CHUNK_BYTES = 64_000_000
_LARGEST_BYTES = 2_000_000  # more than an import sends in one record

_TABLES = """CREATE OR REPLACE TABLE known (first_row BIGINT, time_ms BIGINT);
CREATE OR REPLACE TABLE there (first_row BIGINT, product VARCHAR, quantity DOUBLE, price DOUBLE);
CREATE OR REPLACE TABLE sent_events (part INTEGER, "offset" BIGINT, event_id VARCHAR, brand VARCHAR, customer VARCHAR,
 time_ms BIGINT, items STRUCT(product_id VARCHAR, quantity DOUBLE, price DOUBLE)[]);"""
_LOAD = """INSERT INTO sent_events
SELECT p, o, v.event_id, coalesce(v.brand_id, ''), v.profile_id,
 epoch_ms(try_cast(v.occurred_at AS TIMESTAMPTZ)), v.items
FROM read_json({path}, format='newline_delimited', ignore_errors=true, maximum_object_size=4000000,
 columns={{p: 'INTEGER', o: 'BIGINT', v: 'STRUCT(event_id VARCHAR, profile_id VARCHAR, brand_id VARCHAR,
 occurred_at VARCHAR, items STRUCT(product_id VARCHAR, quantity DOUBLE, price DOUBLE)[])'}})
WHERE v.event_id LIKE 'import-%' AND v.profile_id IN (SELECT customer FROM orders)"""
_FIRST_OF_EACH = """CREATE OR REPLACE TABLE sent AS SELECT DISTINCT ON (brand, customer, event_id) *
FROM sent_events ORDER BY brand, customer, event_id, part, "offset";
DROP TABLE sent_events;
CREATE OR REPLACE TABLE identified AS SELECT first_row, import_id(brand, customer, substr(basket, 2)) AS id
FROM orders WHERE basket LIKE 'o%';"""
_FULL_EVENTS = """SELECT orders.brand, orders.customer, substr(basket, 2) AS order_id, first_row
FROM identified JOIN orders USING (first_row)
 JOIN sent ON sent.event_id = id AND sent.brand = orders.brand AND sent.customer = orders.customer
WHERE len(items) >= ?"""
_MATCH = f"""CREATE OR REPLACE TABLE matched AS
SELECT first_row, sent.time_ms, items FROM identified JOIN orders USING (first_row)
 JOIN sent ON substr(sent.event_id, 1, {_ID_CHARACTERS}) = id AND sent.brand = orders.brand
 AND sent.customer = orders.customer
UNION ALL SELECT first_row, sent.time_ms, items FROM orders JOIN sent USING (brand, customer, time_ms)
 WHERE basket LIKE 't%';
INSERT INTO known SELECT first_row, min(time_ms) FROM matched GROUP BY first_row;
INSERT INTO there SELECT first_row, product_id, any_value(quantity), any_value(price)
 FROM (SELECT first_row, unnest(items, recursive := true) FROM matched) GROUP BY ALL;
DROP TABLE matched; DROP TABLE sent; DROP TABLE identified;"""
_LINES = """WITH file AS (SELECT first_row, product, sum(quantity) AS quantity,
 arg_max(price, row) FILTER (price IS NOT NULL) AS price, count(*) AS lines
 FROM staged JOIN orders USING (brand, customer, basket) WHERE reason IS NULL GROUP BY ALL),
compared AS (SELECT file.*, known.first_row IS NOT NULL AS is_known, there.product IS NOT NULL AS is_there,
 (file.quantity IS NOT NULL AND file.quantity IS DISTINCT FROM coalesce(there.quantity, 1)
  AND NOT (there.quantity IS NULL AND file.quantity IS NULL))
 OR (file.price IS NOT NULL AND file.price IS DISTINCT FROM there.price) AS is_changed
 FROM file LEFT JOIN known USING (first_row) LEFT JOIN there USING (first_row, product))
SELECT (SELECT count(*) FROM known), count(DISTINCT first_row) FILTER (is_known AND NOT is_there),
 count(*) FILTER (is_known AND NOT is_there), count(DISTINCT first_row) FILTER (is_there AND is_changed),
 count(DISTINCT first_row) FILTER (NOT is_known), coalesce(sum(lines) FILTER (NOT is_there), 0) FROM compared"""
_OTHER_TIMES = """SELECT count(*) FROM orders JOIN known USING (first_row)
WHERE orders.time_ms <> known.time_ms AND basket LIKE 'o%'"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A file's orders beside what earlier imports sent."""

    known: int = 0  # orders that were on the topic already
    extended: int = 0  # of these: orders with products that are new
    products: int = 0  # the new products of these
    changed: int = 0  # orders with another price or quantity than was sent first, which stays
    other_time: int = 0  # orders with another time than was sent first, which stays
    new: int = 0  # orders that were not there
    lines: int = 0  # lines of the file that are sent
    cut_off: bool = False  # the topic no longer has its first records


def order_id(brand: str, customer: str, order: str) -> str:
    """The event id of an order that has an id of its own."""
    return event_id([brand, customer, order])


def event_id(identity: Sequence[Any]) -> str:
    """The event id that belongs to what tells an order from others."""
    return _OURS + blake2b(msgspec.json.encode(list(identity)), digest_size=16).hexdigest()


def addition_id(first: str, product: str) -> str:
    """The event id of one product that was added to the order of the event id `first`.

    It depends on nothing else: whichever imports add the product, and whether they race, it is counted once.
    """
    return f"{first}-{blake2b(product.encode(), digest_size=8).hexdigest()}"


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables, empty: nothing was sent before."""
    connection.execute(_TABLES)


def compare(
    connection: duckdb.DuckDBPyConnection, clients: KafkaClients, topic: str, progress: Progress | None = None
) -> Compared:
    """Read the topic up to its present end and fill `known` and `there`. Raises BrokerUnavailable."""
    prepare(connection)
    consumer = clients.consumer("alsobought-import", enable_partition_eof="true", **_AT_A_STRETCH)
    try:
        parts = extents(consumer, topic, "purchases_topic")
        total = sum(part.end - part.first for part in parts)
        batches = (records for part in parts for records in read_extent(consumer, topic, part, at_once=_AT_ONCE))
        _load(connection, _told(batches, total, progress))
    except KafkaException as error:
        raise clients.unavailable(f"reading {topic}", consumer) from error
    finally:
        consumer.close()
    _match(connection)
    return _compared(connection, cut_off=any(part.first > 0 for part in parts))


def _told(
    batches: Iterable[Sequence[Record]], total: int, progress: Callable[[str, float], None] | None
) -> Iterator[Sequence[Record]]:
    read = 0
    for records in batches:
        yield records
        read += len(records)
        if progress:
            progress("comparing", min(read / total, 1))
    if progress and total:
        progress("comparing", 1.0)


def _load(connection: duckdb.DuckDBPyConnection, batches: Iterable[Sequence[Record]]) -> None:
    with tempfile.TemporaryDirectory(prefix="alsobought-sent-") as folder:
        path = Path(folder) / "events.ndjson"
        load = _LOAD.format(path=literal(str(path)))
        file = path.open("wb")
        try:
            for records in batches:
                for record in records:
                    file.write(_line(record))
                if file.tell() > _CHUNK_BYTES:
                    file.close()
                    connection.execute(load)
                    file = path.open("wb")
            file.close()
            if path.stat().st_size:
                connection.execute(load)
        finally:
            file.close()


def _line(record: Record) -> bytes:
    """What an import sent, as a line of JSON; nothing for other records."""
    value = record.value
    if value is None or _MARK not in value or len(value) > _LARGEST_BYTES:
        return b""
    flat = value.replace(b"\n", b" ").replace(b"\r", b" ")
    return b'{"p":%d,"o":%d,"v":%s}\n' % (record.partition, record.offset, flat)


def _match(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_FIRST_OF_EACH)
    at = MAX_ITEMS_OF_AN_EVENT
    full = connection.execute(_FULL_EVENTS, [at]).fetchall()
    while full:  # an order that was too long for one event has its further products under further ids
        further = [(row, event_id([brand, customer, order, at])) for brand, customer, order, row in full]
        connection.execute("CREATE OR REPLACE TEMP TABLE further (first_row BIGINT, id VARCHAR)")
        connection.executemany("INSERT INTO further VALUES (?, ?)", further)
        connection.execute("INSERT INTO identified SELECT DISTINCT * FROM further")
        known = connection.execute(
            "SELECT first_row FROM further JOIN sent ON event_id = id WHERE len(items) >= ?", [MAX_ITEMS_OF_AN_EVENT]
        ).fetchall()
        rows = {row for (row,) in known}
        full = [each for each in full if each[3] in rows]
        at += MAX_ITEMS_OF_AN_EVENT
    connection.execute(_MATCH)


def _compared(connection: duckdb.DuckDBPyConnection, *, cut_off: bool) -> Compared:
    counts, times = connection.execute(_LINES).fetchone(), connection.execute(_OTHER_TIMES).fetchone()
    assert counts is not None
    assert times is not None
    known, extended, products, changed, new, lines = counts
    return Compared(known, extended, products, changed, times[0], new, int(lines), cut_off)
