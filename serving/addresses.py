"""Where a reply goes and what it carries back, in the header shapes of Spring, NestJS, SmallRye and FastStream.

Headers are bytes: the correlation value is echoed byte for byte under the name it came in, never decoded. A reply topic is
taken only from the allow-list. Sources of the shapes: docs/clients.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

CORRELATION_HEADERS = ("kafka_correlationId", "REPLY_CORRELATION_ID", "correlation_id")
TOPIC_HEADERS = ("kafka_replyTopic", "REPLY_TOPIC", "reply_to")
PARTITION_HEADERS = ("kafka_replyPartition", "REPLY_PARTITION")
NEST_DISPOSED = ("kafka_nest-is-disposed", b"\x00")
NEST_ERROR = "kafka_nest-err"
TRACE_HEADERS = ("traceparent", "tracestate", "baggage")
_INT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Address:
    """A reply's way back."""

    topic: str
    partition: int  # -1 = by key
    headers: list[tuple[str, bytes]]  # what the reply carries whatever it says
    correlation_id: str | None  # for the body, when the request had it there
    nest: bool
    explicit: bool  # whether the request itself named a reply topic


class AddressRefused(Exception):
    """The request names a reply topic that is not allowed or does not exist."""


@dataclass(frozen=True, slots=True)
class ReplyTopics:
    """Which topics replies may go to, and how many partitions they have."""

    default: str
    allowed: Callable[[str], bool]
    partitions_of: Callable[[str], int]  # 0 = no such topic

    def address(self, headers: Mapping[str, bytes], correlation_id: str | None, reply_topic: str | None) -> Address:
        """The way back for a request with these headers and, in its body, these two fields. Raises `AddressRefused`."""
        named = _first(headers, TOPIC_HEADERS)
        topic = reply_topic if named is None else _unquoted(named[1].decode("utf-8", "replace"))
        explicit = topic is not None
        if topic is None:
            topic = self.default
        if not self.allowed(topic):
            raise AddressRefused(f"reply topic {topic[:249]!r} is not allowed: name it in the setting reply_topics")
        partitions = self.partitions_of(topic)
        if not partitions:
            raise AddressRefused(f"reply topic {topic!r} does not exist: the client must create it before it asks")
        correlation = _first(headers, CORRELATION_HEADERS)
        return Address(
            topic=topic,
            partition=_partition(headers, partitions),
            headers=_echoed(headers, correlation),
            correlation_id=correlation_id if correlation is None else None,
            nest=_is_nest(headers),
            explicit=explicit,
        )


def _echoed(headers: Mapping[str, bytes], correlation: tuple[str, bytes] | None) -> list[tuple[str, bytes]]:
    echoed = [] if correlation is None else [correlation]
    echoed += [(name, headers[name]) for name in TRACE_HEADERS if name in headers]
    if _is_nest(headers):
        echoed.append(NEST_DISPOSED)
    return [*echoed, ("content-type", b"application/json")]


def _first(headers: Mapping[str, bytes], names: Sequence[str]) -> tuple[str, bytes] | None:
    for name in names:
        value = headers.get(name)
        if value is not None:
            return name, value
    return None


def _unquoted(value: str) -> str:
    """Spring can be told to send strings as JSON: in quotation marks."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _partition(headers: Mapping[str, bytes], partitions: int) -> int:
    """Four bytes are Java's big-endian int, digits are NestJS's text; anything else leaves the choice to the key.

    The text "1234" has four bytes too, but is 825373492 as an int: no topic has so many partitions.
    """
    named = _first(headers, PARTITION_HEADERS)
    if named is None:
        return -1
    value = named[1]
    if len(value) == _INT32_BYTES and int.from_bytes(value, "big") < partitions:
        return int.from_bytes(value, "big")
    if value.isdigit() and len(value) < 10 and int(value) < partitions:  # noqa: PLR2004 - longer than any int32
        return int(value)
    return -1


def _is_nest(headers: Mapping[str, bytes]) -> bool:
    """Spring's names, but text: a correlation id that is text and a partition in digits, or a topic ending in .reply."""
    correlation = headers.get("kafka_correlationId")
    if correlation is None or len(correlation) == 16:  # noqa: PLR2004 - a binary UUID
        return False
    partition = headers.get("kafka_replyPartition")
    return (partition is not None and partition.isdigit()) or headers.get("kafka_replyTopic", b"").endswith(b".reply")
