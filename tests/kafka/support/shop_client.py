"""A shop, seen from Kafka: records go in and are known to be there, requests are sent, their replies awaited.

Everything is partitioned by key as Java clients do (murmur2). Reading needs no group: a topic from its beginning to the
end it has now or, for replies, from the end it had when the client first used it. For one test, in one thread.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.kafka.brokers.broker import Broker
from tests.kafka.support.records import Headers, Read, Record, Shape, correlations, request

TIMEOUT_S = 20.0
_READER = MappingProxyType(
    {
        "group.id": "shop-client",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 10,
        "log_level": 0,
    }
)


class ShopClient:
    """A context manager; close it before the broker stops."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        sender = {"partitioner": "murmur2_random", "linger.ms": 2, "message.max.bytes": 16_000_000, "log_level": 0}
        self._producer = Producer(broker.client_properties | sender)
        self._inboxes: dict[str, _Inbox] = {}

    def send(self, topic: str, *records: Record) -> list[tuple[int, int]]:
        """Send them in order and wait; (partition, offset) of each, in the same order.

        KafkaException when the broker refuses one, TimeoutError when it does not say.
        """
        reports = _Reports()
        for number, record in enumerate(records):
            self._produce(topic, record, reports.of(number))
        if left := self._producer.flush(TIMEOUT_S):
            raise TimeoutError(f"{left} of {len(records)} records for {topic} undelivered after {TIMEOUT_S} s")
        return reports.places(len(records))

    def ask(
        self,
        topic: str,
        body: Mapping[str, object],
        reply_topic: str,
        *,
        shape: Shape = Shape.SPRING,
        reply_partition: int | None = None,
        headers: Headers = (),
        timeout_s: float = TIMEOUT_S,
    ) -> Read:
        """Send a request and wait for its reply; TimeoutError when none came."""
        correlation = self.request(
            topic, body, reply_topic, shape=shape, reply_partition=reply_partition, headers=headers
        )
        return self.reply(reply_topic, correlation, timeout_s)

    def request(
        self,
        topic: str,
        body: Mapping[str, object],
        reply_topic: str,
        *,
        shape: Shape = Shape.SPRING,
        reply_partition: int | None = None,
        headers: Headers = (),
    ) -> bytes:
        """Send a request and do not wait for the reply: its correlation id comes back."""
        self._inbox(reply_topic)  # placed at the end before the request is on its way
        addressed = request(body, shape, reply_topic, reply_partition, headers)
        self.send(topic, addressed.record)
        return addressed.correlation

    def request_each(self, topic: str, bodies: Iterable[Mapping[str, object]], reply_topic: str) -> list[bytes]:
        """Send many requests at once and do not wait for their replies: the correlation id of each comes back."""
        self._inbox(reply_topic)
        addressed = [request(body, Shape.SPRING, reply_topic) for body in bodies]
        self.send(topic, *(one.record for one in addressed))
        return [one.correlation for one in addressed]

    def reply(self, reply_topic: str, correlation: bytes, timeout_s: float = TIMEOUT_S) -> Read:
        """The first reply with this correlation id; TimeoutError when none came."""
        inbox, deadline = self._inbox(reply_topic), time.monotonic() + timeout_s
        while not inbox.replies[correlation]:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no reply to {correlation!r} on {reply_topic} within {timeout_s} s")
            inbox.read(left)
        return inbox.replies[correlation][0]

    def replies(self, reply_topic: str, *correlations: bytes) -> list[Read]:
        """Every reply with one of these correlation ids that is in the topic now: an id twice is one too many."""
        inbox = self._inbox(reply_topic)
        inbox.catch_up()
        return [reply for correlation in correlations for reply in inbox.replies[correlation]]

    def read_all(self, topic: str) -> list[Read]:
        """Every record of the topic from its beginning to the end it has now, partition by partition, in order."""
        reader = Consumer(self._broker.client_properties | dict(_READER))
        try:
            partitions = _partitions(reader, topic)
            reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
            read = _read_to_end(reader, set(partitions))
        finally:
            reader.close()
        return sorted(read, key=lambda record: (record.partition, record.offset))

    def close(self) -> None:
        self._producer.flush(TIMEOUT_S)
        for inbox in self._inboxes.values():
            inbox.reader.close()
        self._inboxes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _inbox(self, reply_topic: str) -> "_Inbox":
        if reply_topic not in self._inboxes:
            self._inboxes[reply_topic] = _Inbox(self._broker, reply_topic)
        return self._inboxes[reply_topic]

    def _produce(self, topic: str, record: Record, delivered: "_Report") -> None:
        while True:
            try:
                self._producer.produce(
                    topic,
                    record.value,
                    record.key,
                    record.partition,
                    on_delivery=delivered,
                    headers=list(record.headers),
                )
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: wait for reports
            else:
                self._producer.poll(0)
                return


_Report = Callable[[KafkaError | None, Message], None]


class _Reports:
    """What the broker said of each record of one `send`."""

    def __init__(self) -> None:
        self._delivered: dict[int, Message] = {}
        self._refused: list[KafkaError] = []

    def of(self, number: int) -> _Report:
        def keep(error: KafkaError | None, message: Message) -> None:
            if error:
                self._refused.append(error)
            else:
                self._delivered[number] = message

        return keep

    def places(self, count: int) -> list[tuple[int, int]]:
        """(partition, offset) of each record; KafkaException when one was refused."""
        if self._refused:
            raise KafkaException(self._refused[0])
        return [
            (_number(message.partition()), _number(message.offset()))
            for message in map(self._delivered.__getitem__, range(count))
        ]


class _Inbox:
    """All partitions of a reply topic, read from the end they had when this was made."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.reader, self._partitions = reader_at_end(broker, topic)
        self.replies: dict[bytes, list[Read]] = defaultdict(list)

    def read(self, timeout_s: float) -> None:
        """Take the next record, if one comes in time."""
        message = self.reader.poll(min(timeout_s, 0.2))
        if message is not None and is_record(message):
            self._keep(to_read(message))

    def catch_up(self) -> None:
        """Take every record that is in the topic now."""
        deadline = time.monotonic() + TIMEOUT_S
        ends = {
            place.partition: self.reader.get_watermark_offsets(place, timeout=TIMEOUT_S, cached=False)[1]
            for place in self._partitions
        }
        while any(place.offset < ends[place.partition] for place in self._places()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the end of {self._partitions[0].topic} was not reached within {TIMEOUT_S} s")
            self.read(deadline - time.monotonic())

    def _places(self) -> list[TopicPartition]:
        """Where the next record of each partition is read; before the first, where it was placed."""
        return [
            now if now.offset >= 0 else placed
            for now, placed in zip(self.reader.position(self._partitions), self._partitions, strict=True)
        ]

    def _keep(self, reply: Read) -> None:
        for correlation in correlations(reply):
            self.replies[correlation].append(reply)


def reader_at_end(broker: Broker, topic: str) -> tuple[Consumer, list[TopicPartition]]:
    """A consumer of what comes to this topic from now on, and where it begins."""
    reader = Consumer(broker.client_properties | dict(_READER))
    places = [TopicPartition(topic, partition) for partition in _partitions(reader, topic)]
    for place in places:
        # A number, not OFFSET_END, which would be resolved only some time after the assign.
        place.offset = reader.get_watermark_offsets(place, timeout=TIMEOUT_S, cached=False)[1]
    reader.assign(places)
    return reader, places


def _partitions(reader: Consumer, topic: str) -> list[int]:
    found = reader.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if found.error:
        raise KafkaException(found.error)
    return list(found.partitions)


def _read_to_end(reader: Consumer, open_partitions: set[int]) -> list[Read]:
    deadline, read = time.monotonic() + TIMEOUT_S, []
    while open_partitions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"partitions {sorted(open_partitions)} not read on for {TIMEOUT_S} s")
        for message in reader.consume(500, 0.2):
            deadline = time.monotonic() + TIMEOUT_S
            if is_record(message):
                read.append(to_read(message))
            else:
                open_partitions.discard(message.partition())
    return read


def is_record(message: Message) -> bool:
    """Whether it is one: False at the end of a partition; KafkaException for any other news."""
    error = message.error()
    if error and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return error is None


def to_read(message: Message) -> Read:
    """The record as it lies in its topic."""
    headers: Any = message.headers() or ()  # typed as text by the library, but pairs of text and bytes
    return Read(
        topic=message.topic() or "",
        partition=_number(message.partition()),
        offset=_number(message.offset()),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple((name, value or b"") for name, value in headers),
    )


def _number(found: int | None) -> int:
    assert found is not None, "a record without its place"
    return found
