"""What a shop writes to Kafka and finds there: purchases, tombstones, products, and requests in five families' headers.

The bytes are built here by hand, sharing no code with the service, so that the two can only agree through the contract.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What to send. A value of None is a tombstone, partition -1 lets the key decide."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int = -1


@dataclass(frozen=True, slots=True)
class Read:
    """A record as it lies in its topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def json(self) -> Any:
        """The value read as JSON; None for a tombstone."""
        return json.loads(self.value) if self.value is not None else None

    def header(self, name: str) -> bytes | None:
        """The last header of this name, as Java's lastHeader gives it."""
        return dict(self.headers).get(name)


def purchase(profile_id: str, *products: str, **fields: object) -> Record:
    """A purchase of each product once; `fields` (event_id, brand_id, items ...) replace what is made up."""
    event = {
        "event_id": str(uuid.uuid4()),
        "profile_id": profile_id,
        "items": [{"product_id": product, "quantity": 1} for product in products],
    }
    return Record(profile_id.encode(), json.dumps(event | fields).encode())


def product(product_id: str, **fields: object) -> Record:
    """A record of the catalogue; `fields` are title, category, price, brand_id ..."""
    return Record(product_id.encode(), json.dumps({"product_id": product_id, **fields}).encode())


def tombstone(key: str) -> Record:
    """On purchases: forget this customer. On the catalogue: this product is withdrawn."""
    return Record(key.encode(), None)


class Shape(Enum):
    """Whose way of asking: where correlation, reply topic and reply partition stand, and in which bytes."""

    SPRING = auto()
    NESTJS = auto()
    SMALLRYE = auto()
    FASTSTREAM = auto()
    BODY = auto()


@dataclass(frozen=True, slots=True)
class Addressed:
    """A request with its reply address. `correlation` is what the reply carries under the same name, byte for byte."""

    record: Record
    correlation: bytes


def request(
    body: Mapping[str, object],
    shape: Shape,
    reply_topic: str,
    reply_partition: int | None = None,
    extra_headers: Headers = (),
) -> Addressed:
    """A request keyed by its profile_id (none: no key) that asks for its reply in the family's manner.

    FASTSTREAM and BODY cannot name a partition; `extra_headers` such as deadline_ms come last.
    """
    correlation, headers, more = _address(shape, uuid.uuid4(), reply_topic, reply_partition)
    value = json.dumps({**body, **more}).encode()
    profile = body.get("profile_id")
    key = profile.encode() if isinstance(profile, str) else None
    return Addressed(Record(key, value, headers + extra_headers), correlation)


def correlations(reply: Read) -> set[bytes]:
    """Every correlation id that a reply carries: in any family's header, or in its body."""
    found = {reply.header(name) for name in ("kafka_correlationId", "REPLY_CORRELATION_ID", "correlation_id")}
    try:
        body = reply.json
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("correlation_id"), str):
        found.add(body["correlation_id"].encode())
    return {correlation for correlation in found if correlation is not None}


def _address(
    shape: Shape, unique: uuid.UUID, topic: str, partition: int | None
) -> tuple[bytes, Headers, dict[str, object]]:
    """(correlation, headers, fields of the body)."""
    as_text, where = str(unique).encode(), topic.encode()
    big_endian = b"" if partition is None else partition.to_bytes(4, "big")
    match shape:
        case Shape.SPRING:
            names, values = _SPRING, (unique.bytes, where, big_endian)
        case Shape.NESTJS:
            names, values = _SPRING, (as_text, where, b"" if partition is None else str(partition).encode())
        case Shape.SMALLRYE:
            names, values = _SMALLRYE, (as_text, where, big_endian)
        case Shape.FASTSTREAM:
            names, values = _FASTSTREAM, (as_text, where, b"application/json")
        case Shape.BODY:
            return as_text, (), {"correlation_id": str(unique), "reply_topic": topic}
    return values[0], tuple((name, value) for name, value in zip(names, values, strict=True) if value), {}


_SPRING = ("kafka_correlationId", "kafka_replyTopic", "kafka_replyPartition")
_SMALLRYE = ("REPLY_CORRELATION_ID", "REPLY_TOPIC", "REPLY_PARTITION")
_FASTSTREAM = ("correlation_id", "reply_to", "content-type")
