"""Records that can not be used go to the dead-letter topic: as they came, with the reason in Kafka Connect's headers.

A dead letter is delivered before the offset of its record is stored, so that none is lost; a crash in between writes it
twice, and topic, partition and offset in its headers tell. `replay` sends dead letters back to where they came from.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from consumers.clients import BrokerUnavailable, KafkaClients, drain, produce, watermarks
from consumers.records import Record, sorted_out

PREFIX = "__connect.errors."
SIZE_HEADER = PREFIX + "original.bytes"
_MESSAGE_CHARACTERS = 500
_DELIVERY_S = 60
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, and why."""

    record: Record
    reason: str
    message: str


def headers_of(letter: DeadLetter, stage: str = "VALUE_CONVERTER") -> list[tuple[str, bytes]]:
    """The record's own headers, then ours; ours are all UTF-8 text, as Kafka Connect writes them."""
    record = letter.record
    ours = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": "alsobought",
        "task.id": "0",
        "stage": stage,
        "class.name": "consumers.events",
        "exception.class.name": letter.reason,
        "exception.message": letter.message[:_MESSAGE_CHARACTERS],
    }
    kept = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    return kept + [(PREFIX + name, value.encode()) for name, value in ours.items()]


class DeadLetters:
    """Writes dead letters and waits for their delivery."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._failed: list[tuple[DeadLetter, KafkaError]] = []

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        """Send these and return when the broker has them all. Raises `BrokerUnavailable` when it does not take them."""
        for letter in letters:
            self._send(letter, whole=True)
        self._settle()
        too_large = [letter for letter, error in self._failed if error.code() == KafkaError.MSG_SIZE_TOO_LARGE]
        others = [error for _, error in self._failed if error.code() != KafkaError.MSG_SIZE_TOO_LARGE]
        self._failed.clear()
        for letter in too_large:  # the topic takes less than the one it came from: keep what fits
            self._send(letter, whole=False)
        self._settle()
        if others or self._failed:
            error = others[0] if others else self._failed[0][1]
            raise BrokerUnavailable(f"topic {self._topic} does not take dead letters: {error.str()}")

    def _send(self, letter: DeadLetter, *, whole: bool) -> None:
        record, headers = letter.record, headers_of(letter)
        value = record.value
        if not whole and value is not None:
            headers.append((SIZE_HEADER, str(len(value)).encode()))
            value = None

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._failed.append((letter, error))

        try:
            produce(
                self._producer, on_delivery=delivered, topic=self._topic, key=record.key, value=value, headers=headers
            )
        except KafkaException as error:
            self._failed.append((letter, error.args[0]))

    def _settle(self) -> None:
        if self._producer.flush(_DELIVERY_S):
            raise BrokerUnavailable(f"topic {self._topic}: dead letters were not delivered within {_DELIVERY_S} s")


def read_all(clients: KafkaClients, topic: str) -> Iterator[Record]:
    """Every dead letter that is on the topic now, partition by partition."""
    consumer = clients.consumer("alsobought-dead-letters", enable_partition_eof="true")
    try:
        listed = consumer.list_topics(topic, timeout=10).topics[topic]
        if listed.error is not None:
            raise BrokerUnavailable(f"topic {topic}: {listed.error.str()}; dead_letters_topic names another?")
        for partition in sorted(listed.partitions):
            yield from _read_partition(consumer, topic, partition)
    except KafkaException as error:
        raise clients.unavailable(f"reading {topic}") from error
    finally:
        consumer.close()


def _read_partition(consumer: Consumer, topic: str, partition: int) -> Iterator[Record]:
    low, high = watermarks(consumer, topic, partition)
    if low >= high:
        return
    consumer.assign([TopicPartition(topic, partition, low)])
    deadline = time.monotonic() + _DELIVERY_S
    while time.monotonic() < deadline:
        records, errors = sorted_out(drain(consumer, _AT_ONCE, 0.5))
        for error in errors:
            if not error.is_end:
                raise BrokerUnavailable(f"reading {topic}[{partition}]: {error.text}")
        for record in records:
            if record.offset < high:
                yield record
        if errors or any(record.offset >= high - 1 for record in records):
            return
        if records:
            deadline = time.monotonic() + _DELIVERY_S
    raise BrokerUnavailable(f"reading {topic}[{partition}]: nothing came for {_DELIVERY_S} s")


def origin_of(record: Record) -> tuple[str, int, int]:
    """Topic, partition and offset that a dead letter came from; "" and -1 where its headers do not say."""
    headers = record.header_values()
    numbers = [headers.get(PREFIX + name, b"").decode("utf-8", "replace") for name in ("partition", "offset")]
    partition, offset = (int(number) if number.isdigit() else -1 for number in numbers)
    return headers.get(PREFIX + "topic", b"").decode("utf-8", "replace"), partition, offset
