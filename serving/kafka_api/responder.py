"""From request records to reply records: answers, and errors that name the field.

A request that is too late is dropped and counted: nobody waits for it any more. One that can not be read, or whose
deadline is no moment, gets an error reply where its answer would have gone, and is a dead letter only where that is
nowhere.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

import msgspec
import numpy as np

from consumers.decoding.fields import InvalidRecord
from consumers.ingest.dead_letters import DeadLetter
from consumers.kafka.records import Record
from consumers.loop.answering import Reply
from consumers.observability.metrics import Metrics
from consumers.observability.observed_together import observe_all
from model.catalogue.product import Product
from serving.kafka_api.open_requests import OpenRequest, Refused, RequestOpener
from serving.kafka_api.reply_addresses import NEST_ERROR, ReplyTopics
from serving.protocol.reply_body import (
    ErrorReply,
    ReplyEnd,
    ReplyWriter,
    WatermarkBody,
    encoded,
    error_body,
    shortfall,
    timestamp,
)
from serving.protocol.request_body import RequestRules
from serving.protocol.shown_products import ShownProducts
from serving.recommendation.answer import Answer
from serving.recommendation.recommender import Recommender

_ID_HEX = 32  # digits of a recommendation_id
_AHEAD_S = 1.0  # so far clocks may differ
_LONGEST_WAIT_MS = 30_000  # a request that waited longer than this and request_max_age_ms has a wrong timestamp


@dataclass(frozen=True, slots=True)
class Ownership:
    """What this worker may answer for. Partitions are those of purchases."""

    home: Callable[[bytes], int]  # record key -> the partition that brings its purchases
    answerable: Callable[[int], bool]  # whether the whole history of a partition's customers is here
    next_offset: Callable[[int], int]  # 0 for a partition that is not here


@dataclass(slots=True)
class KafkaResponder:
    """The worker's responder. `shown` must be told of products that changed, and of those that were paid for."""

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
    shown: ShownProducts = field(init=False)
    _writer: ReplyWriter = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was shown yet."""
        self.shown = ShownProducts(self.products, self.price)
        self._writer = ReplyWriter(self.shown)

    def respond(self, records: Sequence[Record]) -> list[Reply | DeadLetter]:
        """Answer all of them."""
        outgoing: list[Reply | DeadLetter] = []
        with self.metrics.answers.timed("decode"):
            open_ = self._opened(records, outgoing)
        if open_:
            answers = self.recommender.answer([case.request for case in open_])
            with self.metrics.answers.timed("encode"):
                self._reply(open_, answers, outgoing)
        return outgoing

    def deadlines_ms(self, records: Sequence[Record]) -> list[float]:
        """When nobody waits any more for each, in milliseconds since 1970; infinite when only the body says it."""
        opener = self._opener()
        return [opener.deadline_ms(record) for record in records]

    # -- in

    def _opener(self) -> RequestOpener:
        return RequestOpener(self.rules, self.addresses, self.max_age_ms)

    def _opened(self, records: Sequence[Record], outgoing: list[Reply | DeadLetter]) -> list[OpenRequest]:
        """Those that are to be answered; what goes back at once is added to what goes out."""
        open_: list[OpenRequest] = []
        now_ms, opener = self.now_s() * 1000, self._opener()
        self.addresses.look_again(time.monotonic())
        expired = 0
        for record in records:
            opened = opener.opened(record, now_ms)
            if isinstance(opened, OpenRequest):
                open_.append(opened)
            elif isinstance(opened, DeadLetter):
                outgoing.append(opened)
            elif isinstance(opened, Refused):
                outgoing.append(self._error(opened))
            else:
                expired += 1
        self._expire(expired)
        return open_

    def _expire(self, count: int) -> None:
        if count:
            self.metrics.answers.requests_expired.inc(count)

    # -- out

    def _reply(
        self, open_: Sequence[OpenRequest], answers: Sequence[Answer], outgoing: list[Reply | DeadLetter]
    ) -> None:
        """Add the answers to what goes out."""
        now_s = self.now_s()
        now_ms, write = 1000 * now_s, self._writer.written
        ends, watermarks = _Ends(timestamp(datetime.fromtimestamp(now_s, UTC))), _Watermarks(self.ownership)
        ids = os.urandom(len(open_) * _ID_HEX // 2).hex()
        given: list[Answer] = []
        sent_ms: list[int] = []
        expired = 0
        for at, (case, answer) in enumerate(zip(open_, answers, strict=True)):
            if now_ms > case.deadline_ms:  # it passed while the batch was worked on
                expired += 1
                continue
            record, address = case.record, case.address
            watermark = watermarks.of(case, known=answer.known)
            if watermark is None:
                misrouted = _misrouted(record.partition)
                outgoing.append(self._error(Refused(record, address, case.request.profile_id, misrouted)))
                continue
            id_ = ids[at * _ID_HEX : (at + 1) * _ID_HEX]
            value = write(case.request, id_, answer.parts, ends.of(case, answer, watermark))
            outgoing.append(Reply(address.topic, address.partition, record.key, value, headers=address.headers))
            given.append(answer)
            sent_ms.append(record.timestamp_ms)
        self._expire(expired)
        self._count(given, sent_ms, now_ms)

    def _count(self, given: Sequence[Answer], sent_ms: Sequence[int], now_ms: float) -> None:
        """Let the metrics see what was answered, and when it had been sent."""
        answered = self.metrics.answers
        kinds = Counter([(answer.parts[0].strategy if answer.parts else "none", answer.degraded) for answer in given])
        for (strategy, degraded), count in kinds.items():
            answered.replies(strategy, degraded or "none").inc(count)
        longest_ms = max(self.max_age_ms, _LONGEST_WAIT_MS)
        waited_ms = [now_ms - sent for sent in sent_ms if sent > 0]
        believed = [max(waited, 0.0) / 1000 for waited in waited_ms if -1000 * _AHEAD_S <= waited <= longest_ms]
        observe_all(answered.request_seconds, believed)
        if len(believed) < len(waited_ms):
            ahead = sum(waited < -1000 * _AHEAD_S for waited in waited_ms)
            answered.requests_wrong_clock("ahead").inc(ahead)
            answered.requests_wrong_clock("behind").inc(len(waited_ms) - len(believed) - ahead)
        numbers = chain.from_iterable([part.numbers for answer in given for part in answer.parts])
        answered.recommended.note(np.fromiter(numbers, np.uint32), answers=len(given))

    def _error(self, refused: Refused) -> Reply:
        failure, address = refused.failure, refused.address
        self.metrics.answers.error_replies(failure.reason).inc()
        error = error_body(failure)
        said_at = timestamp(datetime.fromtimestamp(self.now_s(), UTC))
        body = ErrorReply(error, refused.profile_id, said_at, _unless_none(address.correlation_id))
        headers = [*address.headers, (self.error_header, failure.reason.encode())]
        if address.nest:
            headers.append((NEST_ERROR, encoded(error)))
        return Reply(address.topic, address.partition, refused.record.key, encoded(body), headers=headers)


class _Watermarks:
    """What the answers of one batch rest on, each partition looked up once."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._answerable: dict[int, bool] = {}
        self._found: dict[int, WatermarkBody] = {}

    def of(self, case: OpenRequest, *, known: bool) -> WatermarkBody | None:
        """The last known record of the partition that an answer rests on; None when it is another worker's."""
        home = self._ownership.home(case.record.key or case.request.profile_id.encode())
        answerable = self._answerable.get(home)
        if answerable is None:
            answerable = self._answerable[home] = self._ownership.answerable(home)
        if not answerable:
            if not known:
                return None
            home = case.record.partition
        found = self._found.get(home)
        if found is None:
            found = self._found[home] = WatermarkBody(home, self._ownership.next_offset(home) - 1)
        return found


class _Ends:
    """The ends of the replies of one batch: most are alike."""

    def __init__(self, said_at: str) -> None:
        self._said_at = said_at
        self._usual: dict[tuple[str | None, str | None, int], bytes] = {}

    def of(self, case: OpenRequest, answer: Answer, watermark: WatermarkBody) -> bytes:
        """The JSON of the `ReplyEnd` of this answer."""
        short, correlation_id = shortfall(case.request, answer), case.address.correlation_id
        if short is not None or correlation_id is not None or case.ignored:
            return self._encoded(case, answer, watermark)
        key = answer.model_version, answer.degraded, watermark.partition
        end = self._usual.get(key)
        if end is None:
            end = self._usual[key] = self._encoded(case, answer, watermark)
        return end

    def _encoded(self, case: OpenRequest, answer: Answer, watermark: WatermarkBody) -> bytes:
        return encoded(
            ReplyEnd(
                shortfall=shortfall(case.request, answer),
                model_version=answer.model_version,
                timestamp=self._said_at,
                degraded=answer.degraded,
                variant="control",
                watermark=watermark,
                correlation_id=_unless_none(case.address.correlation_id),
                ignored=[*case.ignored] or msgspec.UNSET,
            )
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
