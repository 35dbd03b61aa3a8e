"""Sends what a file holds to its topic: every record delivered, or an error that says how far it came.

In: clients of a cluster, a topic that exists, an open file. Out: how much was sent and how fast. The records carry the
time of the import; when a purchase occurred stands in its value, so that no retention deletes old purchases at once.
What earlier imports sent is not sent again.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import KafkaException, Producer

from consumers.file_import.earlier_imports import Compared
from consumers.file_import.product_files import ProductFile
from consumers.file_import.purchase_files import PurchaseFile
from consumers.kafka.clients import KafkaClients
from consumers.kafka.delivery import DeliveryReports
from model.progress import Progress

CONNECT_S = 10.0
_GIVE_UP_MS = 60_000  # librdkafka's own 300 s is long to look at a bar that stands still
_TIMEOUTS = ("message.timeout.ms", "delivery.timeout.ms")
_WAIT_S = 0.2


class ImportFailed(Exception):
    """Raised when a record was not delivered; the text says which, why, and how many are on the topic."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What was sent to the topic; all of it is there."""

    topic: str
    records: int
    lines: int  # order lines, or products
    seconds: float
    compared: Compared | None = None  # with what earlier imports sent; None where that was not looked at

    @property
    def lines_per_s(self) -> int:
        """Lines by the second, to the last delivery."""
        return round(self.lines / max(self.seconds, 1e-9))


def import_purchases(
    clients: KafkaClients,
    topic: str,
    file: PurchaseFile,
    progress: Progress | None = None,
    *,
    send_all: bool = False,
    connect_s: float = CONNECT_S,
) -> ImportSummary:
    """Send every order that earlier imports did not send, and every product that they did not send of an order.

    In time order; `send_all` sends everything and does not read the topic. Raises BrokerUnavailable, after
    `connect_s` of silence, and ImportFailed.
    """
    producer = _connected(clients, topic, connect_s)
    if send_all:
        file.forget_comparison()
        sizes = file.contents.orders, file.contents.lines
        return _send(producer, topic, file.batches(), sizes, progress)
    compared = file.compare(clients, topic, progress)
    sizes = compared.new + compared.products, compared.lines
    return replace(_send(producer, topic, file.batches(), sizes, progress), compared=compared)


def import_products(
    clients: KafkaClients, topic: str, file: ProductFile, progress: Progress | None = None
) -> ImportSummary:
    """Send every product. Raises BrokerUnavailable and ImportFailed."""
    producer = _connected(clients, topic, CONNECT_S)
    return _send(producer, topic, file.batches(), (file.products, file.products), progress)


def _check(reports: DeliveryReports[bytes | None], topic: str, total: int) -> None:
    """Raise ImportFailed once a record has not been taken."""
    if not reports.untaken:
        return
    key, reason, too_large = reports.untaken[0]
    name = (key or b"").decode(errors="replace")
    remedy = "raise the topic's max.message.bytes" if too_large else "check the broker and the topic"
    raise ImportFailed(
        f"{topic}: the record of {name!r} was not delivered: {reason}. {reports.delivered:,} of "
        f"{total:,} records are on the topic; {remedy}, then import again: orders keep their event ids"
    )


def _send(
    producer: Producer,
    topic: str,
    batches: Iterable[Sequence[tuple[Any, ...]]],
    sizes: tuple[int, int],
    progress: Progress | None,
) -> ImportSummary:
    records, lines = sizes
    started = time.perf_counter()
    reports: DeliveryReports[bytes | None] = DeliveryReports(producer)

    def look() -> None:
        _check(reports, topic, records)
        if progress:
            progress("sending", min(reports.delivered / max(records, 1), 1))

    try:
        sent = _send_batches(reports, topic, batches, look)
        while reports.wait(_WAIT_S):
            look()
        look()
    finally:
        producer.purge()  # after an error nothing must go out behind its back, nor keep the process
        producer.flush(_WAIT_S)
    return ImportSummary(topic, sent, lines, time.perf_counter() - started)


def _send_batches(
    reports: DeliveryReports[bytes | None],
    topic: str,
    batches: Iterable[Sequence[tuple[Any, ...]]],
    look: Callable[[], None],
) -> int:
    sent = 0
    for batch in batches:
        for key, value, *_ in batch:
            reports.send(key, topic=topic, key=key, value=value)
        sent += len(batch)
        reports.heard()
        look()
    return sent


def _connected(clients: KafkaClients, topic: str, connect_s: float) -> Producer:
    own = {} if any(name in clients.properties for name in _TIMEOUTS) else {"message_timeout_ms": str(_GIVE_UP_MS)}
    producer = clients.producer(linger_ms="50", **own)
    try:
        there = producer.list_topics(timeout=connect_s).topics
    except KafkaException as error:
        raise clients.unavailable(f"importing to {topic}") from error
    if topic not in there:
        raise ImportFailed(f"topic {topic} does not exist at {clients.bootstrap_servers}; `alsobought run` creates it")
    return producer
