"""From request records to reply records: address, deadline, body, answer, and errors that name the field.

A request that is too late is dropped and counted: nobody waits for it any more. One that can not be read gets an error reply
where the record itself names a reply topic that may be used, and is a dead letter otherwise.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np
import structlog

from consumers.dead_letters import DeadLetter
from consumers.events import InvalidRecord
from consumers.metrics import Metrics
from consumers.records import Record
from consumers.worker import Reply
from model.purchases import Product
from serving.addresses import NEST_ERROR, Address, AddressRefused, ReplyTopics
from serving.recommender import Answer, Item, Recommender
from serving.requests import Body, Request, RequestRules, read_body

log = structlog.get_logger(__name__)


class RecommendedItem(msgspec.Struct):
    """A recommendation on the wire."""

    product_id: str
    brand_id: str | None
    title: str | None
    category: str | None
    price: float | None
    score: float
    kind: str
    strategy: str
    because: list[str]


class Shortfall(msgspec.Struct):
    """Why there are fewer recommendations than asked for."""

    asked: int
    given: int
    why: str


class Watermark(msgspec.Struct):
    """The last record of the customer's partition of purchases that this answer knows of; -1 = none."""

    partition: int
    offset: int


class ReplyBody(msgspec.Struct, omit_defaults=False):
    """A reply on the wire."""

    profile_id: str
    recommendation_id: str
    kind: str
    recommendations: list[RecommendedItem]
    shortfall: Shortfall | None
    model_version: str | None
    timestamp: str
    degraded: str | None
    variant: str
    watermark: Watermark
    correlation_id: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Ownership:
    """What this worker may answer for."""

    next_offset: Callable[[int], int]  # partition of purchases -> next offset to be read
    is_home: Callable[[bytes, int], bool]  # (key, partition): whether purchases of this key would be here


@dataclass(slots=True)
class _Open:
    """A request on its way to an answer."""

    record: Record
    address: Address
    request: Request


@dataclass(slots=True)
class KafkaResponder:
    """The worker's responder."""

    recommender: Recommender
    rules: RequestRules
    addresses: ReplyTopics
    ownership: Ownership
    metrics: Metrics
    product: Callable[[int], Product]
    price: Callable[[int], float | None]
    max_age_ms: int
    error_header: str

    def respond(self, records: Sequence[Record]) -> list[Reply | DeadLetter]:
        """Answer all of them."""
        outgoing: list[Reply | DeadLetter] = []
        open_: list[_Open] = []
        with self._timed("decode"):
            now_ms = time.time() * 1000
            for record in records:
                opened = self._opened(record, now_ms)
                if isinstance(opened, _Open):
                    open_.append(opened)
                elif opened is not None:
                    outgoing.append(opened)
        if open_:
            with self._timed("answer"):
                answers = self.recommender.answer([case.request for case in open_])
            with self._timed("encode"):
                outgoing += self._replies(open_, answers)
        return outgoing

    # -- in

    def _opened(self, record: Record, now_ms: float) -> _Open | Reply | DeadLetter | None:
        headers = record.header_values() if record.headers else {}
        body: Body | None = None
        failure: InvalidRecord | None = None
        try:
            body = read_body(record.value)
        except InvalidRecord as error:
            failure = error
        if self._is_late(record, headers, body, now_ms):
            self.metrics.requests_expired.inc()
            return None
        try:
            in_body = (None, None) if body is None else (body.correlation_id, body.reply_topic)
            address = self.addresses.address(headers, *in_body)
        except AddressRefused as error:
            return DeadLetter(record, "reply_topic", str(error))
        if body is not None:
            try:
                return _Open(record, address, self.rules.check(body, headers))
            except InvalidRecord as error:
                failure = error
        assert failure is not None, "a body that was read is open or has failed"
        if not address.explicit:
            return DeadLetter(record, failure.reason, str(failure))
        return self._error(record, address, None if body is None else body.profile_id, failure)

    def _is_late(self, record: Record, headers: dict[str, bytes], body: Body | None, now_ms: float) -> bool:
        deadline = headers.get("deadline_ms")
        if deadline is not None and deadline.isdigit() and len(deadline) < 16:  # noqa: PLR2004 - longer is no time
            return now_ms > int(deadline)
        if body is not None and body.deadline_ms is not None:
            return now_ms > body.deadline_ms
        return record.timestamp_ms > 0 and now_ms - record.timestamp_ms > self.max_age_ms

    # -- out

    def _replies(self, open_: Sequence[_Open], answers: Sequence[Answer]) -> Iterator[Reply]:
        moment = datetime.now(UTC)
        timestamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown: list[int] = []
        for case, answer in zip(open_, answers, strict=True):
            key = case.record.key or case.request.profile_id.encode()
            if not answer.known and not self.ownership.is_home(key, case.record.partition):
                yield self._error(case.record, case.address, case.request.profile_id, _misrouted(case.record.partition))
                continue
            self._count(case.record, answer, moment.timestamp())
            shown += [item.number for item in answer.items]
            yield Reply(
                case.address.topic,
                case.address.partition,
                case.record.key,
                msgspec.json.encode(self._body(case, answer, timestamp)),
                case.address.headers,
            )
        self.metrics.recommended.note(np.array(shown, np.uint32), answers=len(open_))

    def _body(self, case: _Open, answer: Answer, timestamp: str) -> ReplyBody:
        partition = case.record.partition
        given = len(answer.items)
        return ReplyBody(
            profile_id=case.request.profile_id,
            recommendation_id=uuid.uuid4().hex,
            kind=case.request.kind,
            recommendations=[self._item(item) for item in answer.items],
            shortfall=None if given >= answer.asked else Shortfall(answer.asked, given, _why_short(case.request)),
            model_version=answer.model_version,
            timestamp=timestamp,
            degraded=answer.degraded,
            variant="control",
            watermark=Watermark(partition, self.ownership.next_offset(partition) - 1),
            correlation_id=case.address.correlation_id or msgspec.UNSET,
        )

    def _item(self, item: Item) -> RecommendedItem:
        product = self.product(item.number)
        return RecommendedItem(
            product.product_id,
            product.brand or None,
            product.title,
            product.category,
            self.price(item.number),
            round(item.score, 4),
            item.kind,
            item.strategy,
            [self.product(number).product_id for number in item.because],
        )

    def _count(self, record: Record, answer: Answer, now_s: float) -> None:
        strategy = answer.items[0].strategy if answer.items else "none"
        self.metrics.answers(strategy, answer.degraded or "none").inc()
        if record.timestamp_ms > 0:
            self.metrics.request_seconds.observe(max(now_s - record.timestamp_ms / 1000, 0.0))

    def _error(self, record: Record, address: Address, profile_id: str | None, failure: InvalidRecord) -> Reply:
        self.metrics.error_replies(failure.reason).inc()
        error = {"code": failure.reason, "message": str(failure), "field": failure.field}
        body: dict[str, object] = {
            "error": error,
            "profile_id": profile_id,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        if address.correlation_id:
            body["correlation_id"] = address.correlation_id
        headers = [*address.headers, (self.error_header, failure.reason.encode())]
        if address.nest:
            headers.append((NEST_ERROR, msgspec.json.encode(error)))
        return Reply(address.topic, address.partition, record.key, msgspec.json.encode(body), headers)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.metrics.stage_seconds(stage).observe(time.perf_counter() - begin)


def _misrouted(partition: int) -> InvalidRecord:
    return InvalidRecord(
        "wrong_partition",
        "key",
        f"the request came on partition {partition}, where this customer's purchases can not be; send it with the record "
        "key that the purchases have, and the partitioner murmur2_random (Java's default)",
    )


def _why_short(request: Request) -> str:
    if request.only is not None:
        return "filters.only leaves no more"
    return "no more products that this customer may be shown" if request.exclude_purchased else "no more products"
