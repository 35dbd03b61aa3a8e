"""Records that can not be used go to the dead-letter topic: as they came, with the reason in Kafka Connect's headers.

A dead letter is delivered before the offset of its record is stored, so that none is lost; a crash in between writes it
twice, and topic, partition and offset in its headers tell. `replay` sends dead letters back to where they came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import Producer

from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.delivery import DeliveryReports
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from consumers.pace import SHOPS_PACE

PREFIX = "__connect.errors."
SIZE_HEADER = PREFIX + "original.bytes"
TIME_HEADER = PREFIX + "original.timestamp"
_MESSAGE_CHARACTERS = 500
_ATTEMPTS = 3
_DIGITS = 19
_DECODER = "consumers.events"  # what a dead letter calls the part that refused it; whatever the code is called


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, and why."""

    record: Record
    reason: str
    message: str


def headers_of(letter: DeadLetter, stage: str = "VALUE_CONVERTER") -> list[tuple[str, bytes | None]]:
    """The record's own headers, then ours; ours are all UTF-8 text, as Kafka Connect writes them.

    The record's timestamp is among them, in ms: it is not the dead letter's, which is to be kept for its own 30 days.
    """
    record = letter.record
    ours = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": "alsobought",
        "task.id": "0",
        "stage": stage,
        "class.name": _DECODER,
        "exception.class.name": letter.reason,
        "exception.message": letter.message[:_MESSAGE_CHARACTERS],
        "original.timestamp": str(record.timestamp_ms),
    }
    kept = own_headers(record)
    return kept + [(PREFIX + name, value.encode("utf-8", "replace")) for name, value in ours.items()]


def own_headers(record: Record) -> list[tuple[str, bytes | None]]:
    """The headers that a dead letter came with, without those that say why it died."""
    return [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]


def _reduced(letter: DeadLetter, headers: list[tuple[str, bytes | None]], attempt: int) -> dict[str, Any]:
    """The record as it is tried: whole, then without its value, then without its key and headers too."""
    record = letter.record
    if attempt == 0:
        return {"key": record.key, "value": record.value, "headers": headers}
    size = (SIZE_HEADER, str(len(record.value or b"")).encode())
    if attempt == 1:
        return {"key": record.key, "value": None, "headers": [*headers, size]}
    ours = [header for header in headers if header[0].startswith(PREFIX)]
    return {"key": None, "value": None, "headers": [*ours, size]}


class DeadLetters:
    """Writes dead letters and waits for their delivery."""

    def __init__(self, producer: Producer, topic: str, *, delivery_s: float = SHOPS_PACE.delivery_s) -> None:
        self._producer = producer
        self._delivery_s = delivery_s
        self._topic = topic

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        """Send these and return when the broker has them all. Raises `BrokerUnavailable` when it does not take them."""
        for attempt in range(_ATTEMPTS):
            letters = self._sent(letters, attempt)  # the topic takes less than the one they came from
            if not letters:
                return
        raise BrokerUnavailable(
            f"topic {self._topic} does not even take the headers of a dead letter; raise its max.message.bytes"
        )

    def _sent(self, letters: Sequence[DeadLetter], attempt: int) -> list[DeadLetter]:
        """Send them all and wait for every report; returns those that are too large. Raises `BrokerUnavailable`."""
        reports: DeliveryReports[DeadLetter] = DeliveryReports(self._producer)
        for letter in letters:
            reports.send(letter, topic=self._topic, **_reduced(letter, headers_of(letter), attempt))
        if reports.wait(self._delivery_s):
            within = f"in {self._delivery_s:.0f} s"
            raise BrokerUnavailable(f"topic {self._topic}: dead letters were not delivered {within}")
        for untaken in reports.untaken:
            if not untaken.too_large:
                raise BrokerUnavailable(f"topic {self._topic} does not take dead letters: {untaken.reason}")
        return [untaken.mark for untaken in reports.untaken]


class LetterBox(Protocol):
    """Where dead letters go."""

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        """Return when they are all kept. Raises `BrokerUnavailable`."""
        ...


def send_dead_letters(dead_letters: LetterBox, letters: Sequence[DeadLetter], metrics: Metrics) -> None:
    """Deliver these and count them. Raises `BrokerUnavailable`."""
    if not letters:
        return
    dead_letters.deliver(letters)
    for letter in letters:
        metrics.records.dead_letters(letter.record.topic, letter.reason).inc()


def origin_of(record: Record) -> tuple[str, int, int]:
    """Topic, partition and offset that a dead letter came from; "" and -1 where its headers do not say."""
    headers = record.header_values()
    topic = headers.get(PREFIX + "topic", b"").decode("utf-8", "replace")
    return topic, _number(headers.get(PREFIX + "partition")), _number(headers.get(PREFIX + "offset"))


def original_timestamp_ms(record: Record) -> int:
    """When the record was produced that died; 0 where the headers do not say, which the producer takes for now."""
    return max(_number(record.header_values().get(TIME_HEADER)), 0)


def _number(header: bytes | None) -> int:
    """The decimal number in a header, -1 where it holds none that fits 64 bits."""
    return int(header) if header is not None and header.isdigit() and len(header) < _DIGITS else -1
