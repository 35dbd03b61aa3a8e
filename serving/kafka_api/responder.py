"""From request records to reply records: address, deadline, body, answer, and errors that name the field.

A request that is too late is dropped and counted: nobody waits for it any more. One that can not be read, or whose
deadline is no moment, gets an error reply where its answer would have gone, and is a dead letter only where that is
nowhere.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np

from consumers.decoding.fields import InvalidRecord
from consumers.ingest.dead_letters import DeadLetter
from consumers.kafka.records import Record
from consumers.loop.answering import Reply
from consumers.observability.metrics import Metrics
from model.catalogue.product import Product
from serving.kafka_api.reply_addresses import NEST_ERROR, Address, AddressRefused, ReplyTopics
from serving.protocol.deadlines import EARLIEST_MS, moment_ms
from serving.protocol.reply_body import (
    ErrorReply,
    ReplyBody,
    WatermarkBody,
    encoded,
    error_body,
    shortfall,
    timestamp,
    wire_items,
)
from serving.protocol.request_body import Body, RequestRules, read_body, salvaged
from serving.recommendation.answer import Answer
from serving.recommendation.recommender import Recommender
from serving.recommendation.request import Request

_ID_HEX = 32  # digits of a recommendation_id
_AHEAD_S = 1.0  # so far clocks may differ
_LONGEST_WAIT_MS = 30_000  # a request that waited longer than this and request_max_age_ms has a wrong timestamp


@dataclass(frozen=True, slots=True)
class Ownership:
    """What this worker may answer for. Partitions are those of purchases."""

    home: Callable[[bytes], int]  # record key -> the partition that brings its purchases
    answerable: Callable[[int], bool]  # whether the whole history of a partition's customers is here
    next_offset: Callable[[int], int]  # 0 for a partition that is not here


@dataclass(frozen=True, slots=True)
class _Open:
    """A request on its way to an answer."""

    record: Record
    address: Address
    request: Request
    deadline_ms: float
    ignored: tuple[str, ...]  # fields that are not known


@dataclass(slots=True)
class KafkaResponder:
    """The worker's responder."""

    recommender: Recommender
    rules: RequestRules
    addresses: ReplyTopics
    ownership: Ownership
    metrics: Metrics
    products: Sequence[Product]  # by number, a live view
    price: Callable[[int], float | None]
    max_age_ms: int
    error_header: str
    now_s: Callable[[], float] = time.time

    def respond(self, records: Sequence[Record]) -> list[Reply | DeadLetter]:
        """Answer all of them."""
        outgoing: list[Reply | DeadLetter] = []
        open_: list[_Open] = []
        with self.metrics.answers.stage_seconds("decode").time():
            now_ms = self.now_s() * 1000
            for record in records:
                opened = self._opened(record, now_ms)
                if isinstance(opened, _Open):
                    open_.append(opened)
                elif opened is not None:
                    outgoing.append(opened)
        if open_:
            answers = self.recommender.answer([case.request for case in open_])
            with self.metrics.answers.stage_seconds("encode").time():
                outgoing += self._replies(open_, answers)
        return outgoing

    def deadline_ms(self, record: Record) -> float:
        """When nobody waits any more, in milliseconds since 1970; infinite when only the body says it.

        It is worked out from what is there undecoded: of a flood most requests are dropped by it.
        """
        named = record.header_values().get("deadline_ms") if record.headers else None
        if named:
            return self._moment_ms(record, named)[0]
        return math.inf if b"deadline_ms" in (record.value or b"") else self._too_old_ms(record)

    # -- in

    def _opened(self, record: Record, now_ms: float) -> _Open | Reply | DeadLetter | None:
        headers = record.header_values() if record.headers else {}
        failure: InvalidRecord | None = None
        try:
            body = read_body(record.value)
        except InvalidRecord as error:
            body, failure = salvaged(record.value), error
        deadline_ms, wrong_deadline = self._deadline_ms(record, headers, body)
        failure = failure or wrong_deadline
        if now_ms > deadline_ms:
            self.metrics.answers.requests_expired.inc()
            return None
        try:
            address = self.addresses.address(headers, body.correlation_id, body.reply_topic)
        except AddressRefused as error:
            return DeadLetter(record, "reply_topic", str(error))
        if failure is None:
            try:
                return _Open(
                    record=record,
                    address=address,
                    request=self.rules.check(body, headers),
                    deadline_ms=deadline_ms,
                    ignored=body.unknown,
                )
            except InvalidRecord as error:
                failure = error
        return self._error(record, address, body.profile_id, failure)

    def _deadline_ms(
        self, record: Record, headers: Mapping[str, bytes], body: Body
    ) -> tuple[float, InvalidRecord | None]:
        """When nobody waits any more, in milliseconds since 1970, and what is wrong with how the request says it."""
        for said in (headers.get("deadline_ms"), body.deadline_ms):
            if said is not None and said not in (b"", ""):
                return self._moment_ms(record, said)
        return self._too_old_ms(record), None

    def _moment_ms(self, record: Record, said: bytes | str | float) -> tuple[float, InvalidRecord | None]:
        try:
            return moment_ms(said), None
        except ValueError as error:
            return self._too_old_ms(record), InvalidRecord("out_of_range", "deadline_ms", f"deadline_ms {error}")

    def _too_old_ms(self, record: Record) -> float:
        """A record whose timestamp is no time in milliseconds is as good as new: nobody can tell how old it is."""
        return record.timestamp_ms + self.max_age_ms if record.timestamp_ms >= EARLIEST_MS else math.inf

    # -- out

    def _replies(self, open_: Sequence[_Open], answers: Sequence[Answer]) -> Iterator[Reply]:
        now_s = self.now_s()
        said_at = timestamp(datetime.fromtimestamp(now_s, UTC))
        ids = os.urandom(len(open_) * _ID_HEX // 2).hex()
        shown: list[int] = []
        given = 0
        for at, (case, answer) in enumerate(zip(open_, answers, strict=True)):
            if now_s * 1000 > case.deadline_ms:  # it passed while the batch was worked on
                self.metrics.answers.requests_expired.inc()
                continue
            record, address = case.record, case.address
            partition = self._partition_of(case, known=answer.known)
            if partition is None:
                yield self._error(record, address, case.request.profile_id, _misrouted(record.partition))
                continue
            given += 1
            self._count(record, answer, now_s)
            shown += [item.number for item in answer.items]
            watermark = WatermarkBody(partition, self.ownership.next_offset(partition) - 1)
            body = self._body(case, answer, said_at, ids[at * _ID_HEX : (at + 1) * _ID_HEX], watermark)
            yield Reply(
                topic=address.topic,
                partition=address.partition,
                key=record.key,
                value=encoded(body),
                headers=address.headers,
            )
        self.metrics.answers.recommended.note(np.array(shown, np.uint32), answers=given)

    def _partition_of(self, case: _Open, *, known: bool) -> int | None:
        """The partition of purchases that the answer rests on; None when it is another worker's."""
        home = self.ownership.home(case.record.key or case.request.profile_id.encode())
        if self.ownership.answerable(home):
            return home
        return case.record.partition if known else None

    def _body(self, case: _Open, answer: Answer, said_at: str, id_: str, watermark: WatermarkBody) -> ReplyBody:
        return ReplyBody(
            profile_id=case.request.profile_id,
            recommendation_id=id_,
            kind=case.request.kind,
            recommendations=wire_items(answer.items, self.products, self.price),
            shortfall=shortfall(case.request, answer),
            model_version=answer.model_version,
            timestamp=said_at,
            degraded=answer.degraded,
            variant="control",
            watermark=watermark,
            correlation_id=_unless_none(case.address.correlation_id),
            ignored=[*case.ignored] or msgspec.UNSET,
        )

    def _count(self, record: Record, answer: Answer, now_s: float) -> None:
        strategy = answer.items[0].strategy if answer.items else "none"
        self.metrics.answers.replies(strategy, answer.degraded or "none").inc()
        if record.timestamp_ms <= 0:
            return
        seconds = now_s - record.timestamp_ms / 1000
        if seconds < -_AHEAD_S:
            self.metrics.answers.requests_wrong_clock("ahead").inc()
        elif seconds * 1000 > max(self.max_age_ms, _LONGEST_WAIT_MS):
            self.metrics.answers.requests_wrong_clock("behind").inc()
        else:
            self.metrics.answers.request_seconds.observe(max(seconds, 0.0))

    def _error(self, record: Record, address: Address, profile_id: str | None, failure: InvalidRecord) -> Reply:
        self.metrics.answers.error_replies(failure.reason).inc()
        error = error_body(failure)
        said_at = timestamp(datetime.fromtimestamp(self.now_s(), UTC))
        body = ErrorReply(error, profile_id, said_at, _unless_none(address.correlation_id))
        headers = [*address.headers, (self.error_header, failure.reason.encode())]
        if address.nest:
            headers.append((NEST_ERROR, encoded(error)))
        return Reply(
            topic=address.topic, partition=address.partition, key=record.key, value=encoded(body), headers=headers
        )


def _unless_none(correlation_id: str | int | None) -> str | int | msgspec.UnsetType:
    return msgspec.UNSET if correlation_id is None else correlation_id


def _misrouted(partition: int) -> InvalidRecord:
    return InvalidRecord(
        "wrong_partition",
        "key",
        f"the request came on partition {partition}, where this customer's purchases can not be; send it with the "
        "record key that the purchases have, and the partitioner murmur2_random (Java's default)",
    )
