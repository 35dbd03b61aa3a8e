"""What the service ought to hold, worked out anew from the topic of purchases, and what its SQLite file does hold.

Plain Python that shares no code with the service's own decoding and storing: records in, every customer's product ids
in order of arrival out. An event id counts once in its partition, a product once in an event, a null value forgets;
what is no purchase changes nothing.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from model.store.reader import read_contents
from tests.kafka.support.records import Read

Sequences = dict[str, list[str]]


class Ledger:
    """What everybody has bought after the records taken so far, which come in order within each partition."""

    def __init__(self) -> None:
        self.bought: Sequences = defaultdict(list)
        self._seen: set[tuple[int, str, str]] = set()

    def take(self, record: Read) -> None:
        if record.value is None:
            self.bought.pop((record.key or b"").decode(), None)
        for event in _events(record):
            identity = (record.partition, event.get("brand_id", ""), event["event_id"])
            if identity not in self._seen:
                self._seen.add(identity)
                self.bought[event["profile_id"]] += dict.fromkeys(item["product_id"] for item in event["items"])


def expected(purchases: Iterable[Read]) -> Sequences:
    """Every customer's products after these records, which are in order within each partition."""
    ledger = Ledger()
    for record in purchases:
        ledger.take(record)
    return {customer: products for customer, products in ledger.bought.items() if products}


def stored(database: Path) -> Sequences:
    """What the service's file holds of every customer of the topic that it answers from now."""
    contents = read_contents(database)
    names = _customer_names(database)
    histories = contents.histories
    sequences: Sequences = defaultdict(list)
    for at, number in enumerate(histories.customers.tolist()):
        lines = histories.products[histories.starts[at] : histories.starts[at + 1]].tolist()
        sequences[names[number]] += [contents.products[line].product_id for line in lines]
    return dict(sequences)


def positions(database: Path) -> dict[int, int]:
    """Partition -> the next offset, as it is committed in the file; empty when there is no file yet."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as db:
            return dict(db.execute("SELECT partition, next FROM log WHERE current"))
    except sqlite3.OperationalError:  # the service has not made it yet
        return {}


def ends(records: Iterable[Read]) -> dict[int, int]:
    """Partition -> the offset after its last record, of the partitions that have any."""
    return {record.partition: record.offset + 1 for record in records}


def _events(record: Read) -> Iterator[Any]:
    try:
        event = json.loads(record.value or b"")
    except ValueError:
        return
    if isinstance(event, dict) and event.get("event_id") and event.get("items"):
        yield event


def _customer_names(database: Path) -> dict[int, str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as db:
        return dict(db.execute("SELECT id, profile FROM customer"))
