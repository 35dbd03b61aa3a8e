"""What the Kafka client gives, as plain typed values: records and errors. Handlers see these and never the client."""

from collections.abc import Iterable
from operator import methodcaller
from typing import NamedTuple

import msgspec
from confluent_kafka import KafkaError, Message

_HEADERS_OF = methodcaller("headers")


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = 0  # when it was produced, or stored: the topic's choice; 0 = not said
    headers_unreadable: bool = False  # a header's name is no UTF-8, which the client can not hand out

    def header_values(self) -> dict[str, bytes]:
        """The last value of each header, as Java's lastHeader; empty where it is null."""
        return {name: value or b"" for name, value in self.headers}


class ReadError(NamedTuple):
    """An event that came instead of a record."""

    topic: str
    partition: int
    offset: int
    code: int
    name: str
    text: str
    fatal: bool

    @property
    def is_end(self) -> bool:
        """The end of the partition was reached."""
        return self.code == KafkaError._PARTITION_EOF

    @property
    def is_out_of_range(self) -> bool:
        """The broker has no record at the offset that was to be read."""
        return self.code == KafkaError._AUTO_OFFSET_RESET

    @property
    def is_too_slow(self) -> bool:
        """The last turn took longer than max.poll.interval.ms: the group gave the partitions away."""
        return self.code == KafkaError._MAX_POLL_EXCEEDED


def sorted_out(messages: Iterable[Message]) -> tuple[list[Record], list[ReadError]]:
    """Records and errors of a batch, each in the order they came."""
    records: list[Record] = []
    errors: list[ReadError] = []
    for message in messages:
        if message.error() is not None:
            errors.append(_read_error(message))
            continue
        headers = _headers(message)
        partition, offset = message.partition(), message.offset()
        records.append(
            Record(
                topic=message.topic() or "",
                partition=-1 if partition is None else partition,
                offset=-1 if offset is None else offset,
                key=message.key(),
                value=message.value(),
                headers=headers or (),
                timestamp_ms=message.timestamp()[1],
                headers_unreadable=headers is None,
            )
        )
    return records, errors


def _read_error(message: Message) -> ReadError:
    error = message.error()
    assert error is not None, "asked before"
    return ReadError(
        topic=message.topic() or "",
        partition=_number(message.partition()),
        offset=_number(message.offset()),
        code=error.code(),
        name=error.name(),
        text=error.str(),
        fatal=error.fatal(),
    )


def _number(partition_or_offset: int | None) -> int:
    return -1 if partition_or_offset is None else partition_or_offset


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...] | None:
    """The headers in their order; None when one has a name that is no UTF-8.

    Then confluent-kafka 2.16.1 gives a list with a hole in it and leaves an exception pending, which only a call by way
    of C notices at once.
    """
    try:
        headers = _HEADERS_OF(message)
    except (SystemError, UnicodeDecodeError):
        return None
    return tuple((str(name), _bytes(value)) for name, value in list(headers)) if headers else ()


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
