"""Where a reply goes and what it carries back, in the header shapes of Spring, NestJS, SmallRye and FastStream.

Headers are bytes: the correlation value is echoed byte for byte under the name it came in, never decoded. A reply topic
is taken only from the allow-list. Sources of the shapes: docs/clients.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

CORRELATION_HEADERS = ("kafka_correlationId", "REPLY_CORRELATION_ID", "correlation_id")
TOPIC_HEADERS = ("kafka_replyTopic", "REPLY_TOPIC", "reply_to")
PARTITION_HEADERS = ("kafka_replyPartition", "REPLY_PARTITION")
NEST_DISPOSED = ("kafka_nest-is-disposed", b"\x00")
NEST_ERROR = "kafka_nest-err"
TRACE_HEADERS = ("traceparent", "tracestate", "baggage")
_CONTENT_TYPE = ("content-type", b"application/json")
_INT32_BYTES = 4
_UUID_BYTES = 16
_ROUTING = frozenset((*TOPIC_HEADERS, *PARTITION_HEADERS))
_UNUSUAL = frozenset((*TRACE_HEADERS, "deadline_ms", "x-brand-id"))  # of a value that is another each time, or no way
_KEPT_S = 1.0  # that a way back is believed to be there
_MOST_WAYS = 1024
_TOPIC_CHARACTERS = 249  # the longest name Kafka allows


class Address(msgspec.Struct, frozen=True, gc=False):
    """A reply's way back."""

    topic: str
    partition: int  # -1 = by key
    headers: list[tuple[str, bytes]]  # what the reply carries whatever it says
    correlation_id: str | int | None  # for the body, when the request had it there
    nest: bool


class AddressRefused(Exception):
    """The request names a reply topic that is not allowed or does not exist."""


@dataclass(slots=True)
class ReplyTopics:
    """Which topics replies may go to, and how many partitions they have."""

    default: str
    allowed: Callable[[str], bool]
    partitions_of: Callable[[str], int]  # 0 = no such topic
    _ways: dict[tuple[object, ...], Address] = field(default_factory=dict)  # of plain requests
    _until_s: float = 0.0  # monotonic, when they are looked at again

    def address(
        self, headers: Mapping[str, bytes], correlation_id: str | int | None, reply_topic: str | None
    ) -> Address:
        """The way back for a request with these headers and, in its body, these two fields. Raises `AddressRefused`."""
        named = _first(headers, TOPIC_HEADERS) if headers else None
        asked = _unquoted(named.decode("utf-8", "replace")) if named else reply_topic
        topic = asked or self.default
        if not self.allowed(topic):
            raise AddressRefused(
                f"reply topic {topic[:_TOPIC_CHARACTERS]!r} is not allowed: name it in the setting reply_topics"
            )
        partitions = self.partitions_of(topic)
        if not partitions:
            who = "the client must create it before it asks" if asked else "the service creates it when it starts"
            raise AddressRefused(f"reply topic {topic!r} does not exist: {who}")
        correlations = [(name, headers[name]) for name in CORRELATION_HEADERS if name in headers]
        nest = _is_nest(headers)
        return Address(
            topic=topic,
            partition=_partition(headers, partitions),
            headers=[*correlations, *_traced(headers), *([NEST_DISPOSED] if nest else ()), _CONTENT_TYPE],
            correlation_id=None if correlations else _unless_empty(correlation_id),
            nest=nest,
        )

    def plain_address(
        self,
        headers: Sequence[tuple[str, bytes | None]],
        correlation_id: str | int | None,
        reply_topic: str | None,
    ) -> Address | None:
        """As `address`, by ways found within the last second; None where headers are unusual, or the way is refused."""
        correlation: tuple[str, bytes] | None = None
        routing: tuple[tuple[str, bytes], ...] = ()
        for name, value in headers:
            if name in CORRELATION_HEADERS:
                if correlation is not None or value is None:
                    return None
                correlation = name, value
            elif name in _ROUTING:
                routing += ((name, value or b""),)
            elif name in _UNUSUAL:
                return None
        # NestJS's correlation is told from Spring's by its length alone
        shape = None if correlation is None else (correlation[0], len(correlation[1]) == _UUID_BYTES)
        way = self._ways.get((reply_topic, shape, routing))
        if way is None:
            way = self._found(reply_topic, correlation, shape, routing)
            if way is None:
                return None
        if correlation is None:
            return Address(way.topic, way.partition, way.headers, _unless_empty(correlation_id), nest=way.nest)
        return Address(way.topic, way.partition, [correlation, *way.headers[1:]], None, nest=way.nest)

    def look_again(self, now_s: float) -> None:
        """Forget what was found more than a second ago; `now_s` is monotonic."""
        if now_s >= self._until_s:
            self._until_s = now_s + _KEPT_S
            self._ways.clear()

    def _found(
        self,
        reply_topic: str | None,
        correlation: tuple[str, bytes] | None,
        shape: tuple[str, bool] | None,
        routing: tuple[tuple[str, bytes], ...],
    ) -> Address | None:
        try:
            way = self.address(dict((*routing, *([correlation] if correlation else ()))), None, reply_topic)
        except AddressRefused:
            return None
        if len(self._ways) < _MOST_WAYS:
            self._ways[reply_topic, shape, routing] = way
        return way


def _unless_empty(correlation_id: str | int | None) -> str | int | None:
    return None if correlation_id == "" else correlation_id


def _traced(headers: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    return [(name, headers[name]) for name in TRACE_HEADERS if name in headers]


def _first(headers: Mapping[str, bytes], names: Sequence[str]) -> bytes | None:
    """The first of these headers that says anything."""
    for name in names:
        value = headers.get(name)
        if value:
            return value
    return None


def _unquoted(value: str) -> str:
    """Spring can be told to send strings as JSON: in quotation marks."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _partition(headers: Mapping[str, bytes], partitions: int) -> int:
    """Four bytes are Java's big-endian int, digits are NestJS's text; anything else leaves the choice to the key.

    The text "1234" has four bytes too, but is 825373492 as an int: no topic has so many partitions.
    """
    value = _first(headers, PARTITION_HEADERS)
    if value is None:
        return -1
    if len(value) == _INT32_BYTES and int.from_bytes(value, "big") < partitions:
        return int.from_bytes(value, "big")
    if value.isdigit() and len(value) < 10 and int(value) < partitions:  # noqa: PLR2004 - longer than any int32
        return int(value)
    return -1


def _is_nest(headers: Mapping[str, bytes]) -> bool:
    """Spring's names in text: a correlation id that is no UUID, and a decimal partition or a topic ending in .reply."""
    correlation = headers.get("kafka_correlationId")
    if correlation is None or len(correlation) == _UUID_BYTES:
        return False
    partition = headers.get("kafka_replyPartition")
    return (partition is not None and partition.isdigit()) or headers.get("kafka_replyTopic", b"").endswith(b".reply")
