"""Records that nobody should send, made out of plain bytes: the same bytes always make the same record.

So one generator serves Hypothesis, which shrinks the bytes, and libFuzzer, which changes them towards code not yet run.
Most records are nearly right (JSON of the known fields with odd values), because those get furthest.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from consumers.kafka.records import Record

T = TypeVar("T")

FIELDS = (
    *("profile_id", "event_id", "brand_id", "items", "product_id", "quantity", "price", "occurred_at", "phone"),
    *("event_type", "payload", "data", "id", "source", "time", "title", "category", "withdrawn", "type", "status"),
    *("kind", "k", "product_ids", "filters", "only", "exclude", "exclude_purchased", "deadline_ms"),
    *("reply_topic", "correlation_id", "version", "uri", "sha256", "created_at", "serves", "newest", "previous"),
)
HEADERS = (
    *("kafka_correlationId", "kafka_replyTopic", "kafka_replyPartition", "REPLY_TOPIC", "REPLY_PARTITION", "reply_to"),
    *("correlation_id", "deadline_ms", "x-brand-id", "content-type", "ce_id", "ce_source", "ce_time", "traceparent"),
    *("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset", "alsobought-replay-of"),
    *("__connect.errors.original.timestamp", "__connect.errors.exception.message", "", "é\u2028", "x" * 300),
)
VALUES = (
    *(b"", b"ada", b"replies", b"replies\x00", b"\xff\xfe", b"7", b"\x00\x00\x00\x05", b"-1", b"9" * 40, b"1e3"),
    *(
        "²".encode(),
        b"application/cloudevents+json",
        b"2026-11-25T00:00:00Z",
        b'"replies"',
        b"\xed\xa0\x80",
        b"x" * 5000,
    ),
)
ATOMS = (
    *("null", "true", "0", "-1", "1", "2.5", "1e999", "-0.0", "1e-400", "18446744073709551616", "NaN", '""', '"ada"'),
    *('"tea"', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\u202eevil"', '"\\u2028"', '"' + "x" * 257 + '"'),
    *(
        '"+49 30 1234567"',
        '"phone-"',
        '"2026-11-25T00:00:00Z"',
        '"9999-12-31T23:59:59-23:59"',
        '"0001-01-01T00:00:00Z"',
    ),
    *('"2026-02-30T25:61:61Z"', '"purchase"', '"recs"', '"all"', '"similar"', '"v1-20261124T101500Z"', '"popular"'),
)
GOOD = (
    '"profile_id": "ada", "items": [{"product_id": "tea", "quantity": 1, "price": 2.5}, {"product_id": "cup"}]',
    '"event_type": "purchase", "payload": {"phone": "+49 30 1234567", "items": [{"product_id": "tea"}]}',
    '"id": "1", "source": "shop", "data": {"profile_id": "ada", "items": [{"product_id": "tea"}]}',
    '"profile_id": "ada", "kind": "all", "k": 3, "product_ids": ["tea"], "filters": {"only": ["tea", "cup"]}',
    '"product_id": "tea", "title": "Tea", "category": "kitchen", "price": 4.5',
    '"version": "v1-20261124T101500Z", "uri": "v1-20261124T101500Z", "sha256": "00", "created_at": "2026"',
)
_DEEPEST = 4


class Choices:
    """Decisions read off a row of bytes; once it is used up every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def rest(self) -> bytes:
        """All that is left."""
        return self._data[self._at :]

    def below(self, limit: int) -> int:
        """A number from 0 to below `limit`, at most 256."""
        byte = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return byte % limit

    def among(self, things: Sequence[T]) -> T:
        return things[self.below(len(things))]

    def some(self, most: int, make: Callable[[], T]) -> list[T]:
        return [make() for _ in range(self.below(most + 1))]


def odd_record(data: bytes, topic: str = "purchases", offset: int = 0) -> Record:
    """The record that these bytes stand for."""
    choose = Choices(data)
    key = choose.among((b"ada", None, b"", b"\xff", b"+49 30 1234567", b"c-1", b"tea", b"*", b"\x00"))
    headers = tuple(choose.some(4, lambda: (choose.among(HEADERS), choose.among((*VALUES, None)))))
    timestamp_ms = choose.among((1_700_000_000_000, 0, -1, 1, 2**45, 2**62))
    unreadable = choose.below(20) == 19
    return Record(topic, 0, offset, key, _value(choose), headers, timestamp_ms, unreadable)


def _value(choose: Choices) -> bytes | None:
    kind = choose.below(8)
    if kind == 7:
        return None
    if kind == 6:
        return choose.rest()
    text = _json(choose, 0) if kind == 5 else _object(choose, 0, *choose.some(1, lambda: choose.among(GOOD)))
    if kind == 4:
        text = text[: len(text) * choose.below(256) // 256]
    return text.encode("utf-8", "surrogatepass")


def _object(choose: Choices, depth: int, *good: str) -> str:
    """Odd fields after good ones: of a name that stands twice the last counts."""
    fields = [*good, *_odd_fields(choose, depth)]
    return "{" + ", ".join(fields) + "}"


def _odd_fields(choose: Choices, depth: int) -> list[str]:
    return choose.some(7, lambda: f'"{choose.among(FIELDS)}": {_json(choose, depth + 1)}')


def _json(choose: Choices, depth: int) -> str:
    kind = choose.below(6) if depth < _DEEPEST else 0
    if kind == 5:
        return "[" + ", ".join(choose.some(3, lambda: _json(choose, depth + 1))) + "]"
    if kind >= 3:
        return _object(choose, depth)
    return choose.among(ATOMS)


METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"BREW", b"get", b"", b"G\x00T", b"OPTIONS", b"CONNECT", b"M" * 300)
PATHS = (
    *(b"/metrics", b"/health", b"/ready", b"/models/versions", b"/models/versions?model_type=recommendations"),
    *(b"/models/versions?model_type=%ff%00&&=;%", b"//health", b"/../../etc/passwd", b"*", b"", b"/%00", b"/\xff\xfe"),
    *(
        b"http://other.example/health",
        b"/health#x",
        b"/" + b"a" * 9000,
        b"/%0d%0aSet-Cookie:%20a=b",
        b"/metrics?name[]=x",
    ),
)
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/9.9", b"HTTP/1.1.1", b"", b"HTTP/x", b"SPDY/3")
HTTP_HEADERS = (
    *(b"Host: x", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: abc", b"Content-Length: 99999999999"),
    *(b"Transfer-Encoding: chunked", b"Accept: ;;q=x,*/*;q=\xff", b"Accept-Encoding: gzip", b"Accept-Encoding: \xfe"),
    *(b"Accept: application/openmetrics-text; version=1.0.0", b"Authorization: Bearer", b"Authorization: \xff\xff"),
    *(b"Expect: 100-continue", b"Connection: upgrade", b": no name", b"no colon", b" folded", b"X: " + b"y" * 70_000),
    *(b"Upgrade: h2c", b"X\x00: y", b"Cookie: a=b", b"Content-Type: \xff"),
)


def odd_request(data: bytes) -> bytes:
    """The bytes of an HTTP request that these bytes stand for."""
    choose = Choices(data)
    line = b" ".join((choose.among(METHODS), choose.among(PATHS), choose.among(VERSIONS)))
    if choose.below(10) == 9:
        line = choose.rest()[:200]
    headers = choose.some(5, lambda: choose.among(HTTP_HEADERS))
    end = choose.among((b"\r\n", b"\n", b"\r\n\r\n"))
    return end.join([line, *headers, b"", choose.rest()[:100]])
