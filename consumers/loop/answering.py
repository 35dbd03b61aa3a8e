"""The loop's second half: requests are taken up as they are read, and answered a micro-batch at a time.

The offset of a request is committed once it and all before it are answered and their replies delivered, or dropped
because nobody waits any more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from consumers.ingest.dead_letters import DeadLetter, DeadLetters, send_dead_letters
from consumers.kafka.clients import BrokerUnavailable, produce
from consumers.kafka.records import Record
from consumers.loop.deadline_clock import DeadlineClock
from consumers.loop.deliveries import Deliveries
from consumers.loop.lateness import Lateness
from consumers.loop.request_queue import RequestQueue
from consumers.observability.metrics import Metrics

log = structlog.get_logger(__name__)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A record for a reply topic. `partition` -1 leaves it to the key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Responder(Protocol):
    """Answers a batch of requests: a reply or a dead letter each, nothing for one that is too late."""

    def respond(self, records: Sequence[Record]) -> Sequence[Reply | DeadLetter]:
        """Answer all of them; must not raise for what a request says."""
        ...

    def deadlines_ms(self, records: Sequence[Record]) -> Sequence[float]:
        """When nobody waits any more for each, in milliseconds since 1970; infinite when only the request says it."""
        ...


@dataclass(slots=True)
class Answering:
    """What requests go through; all of it in the loop's thread."""

    responder: Responder
    producer: Producer
    dead_letters: DeadLetters
    metrics: Metrics
    answerable: Callable[[int], bool]  # whether the whole history of a partition's customers is here
    batch: int
    lateness: Lateness = field(default_factory=lambda: Lateness(math.inf))
    clock: DeadlineClock = field(default_factory=DeadlineClock)
    deliveries: Deliveries = field(default_factory=Deliveries)
    waiting: RequestQueue = field(init=False)
    busy: bool = False  # whether more may be ready to be answered at once
    _failed_replies: int = 0

    def __post_init__(self) -> None:
        """Count what is dropped."""
        self.waiting = RequestQueue(self._dropped, now_s=self.clock.now_s)

    def _dropped(self, count: int) -> None:
        self.metrics.answers.requests_expired.inc(count)
        self.lateness.dropped(count)

    def take_up(self, requests: Sequence[Record]) -> None:
        """They were read, and are to be answered."""
        if not requests:
            return
        sent_ms = next((record.timestamp_ms for record in requests if record.timestamp_ms > 0), 0)
        if sent_ms:  # one of a batch tells the clock as much as all
            self.clock.sent(sent_ms / 1000)
        self.waiting.add(requests, self.responder.deadlines_ms(requests))

    def turn(self) -> None:
        """Answer a micro-batch of what waits."""
        records = self.waiting.take(self.batch, self.answerable)
        self.busy = len(records) == self.batch
        if records:
            self._answer(records)

    def chores(self) -> None:
        """What there is to do every second."""
        self.waiting.drop_late()
        if self.deliveries.failed > self._failed_replies:
            log.warning("replies_not_delivered", count=self.deliveries.failed - self._failed_replies)
            self._failed_replies = self.deliveries.failed

    def committable(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the offset before which everything is answered and delivered, where that is news."""
        self.deliveries.open.offsets |= self.waiting.next_offsets()
        return self.deliveries.committable()

    def forget(self, topic: str, partition: int) -> None:
        """The partition is another worker's: what waits is answered by that one."""
        self.waiting.forget(topic, partition)
        self.deliveries.forget(topic, partition)

    def _answer(self, records: Sequence[Record]) -> None:
        span = self.deliveries.open
        delivered, producer = span.delivered, self.producer
        letters: list[DeadLetter] = []
        for outgoing in self.responder.respond(records):
            if isinstance(outgoing, DeadLetter):
                letters.append(outgoing)
                continue
            try:
                produce(
                    producer,
                    outgoing.topic,
                    outgoing.value,
                    key=outgoing.key,
                    partition=outgoing.partition,
                    headers=outgoing.headers,
                    on_delivery=delivered,
                )
                span.waiting += 1
            except KafkaException as error:
                self._refused(outgoing, error)
        send_dead_letters(self.dead_letters, letters, self.metrics)
        now_s = self.clock.now_s()
        self.lateness.answered([now_s - record.timestamp_ms / 1000 for record in records if record.timestamp_ms])

    def _refused(self, reply: Reply, error: KafkaException) -> None:
        """No such partition, or too large: whoever asked waits in vain, and we say so."""
        reason = error.args[0]
        if reason.fatal() or reason.code() == KafkaError._FATAL:
            raise BrokerUnavailable(f"the Kafka client can send no more: {reason.str()}") from error
        log.warning("reply_refused", topic=reply.topic, error=reason.str())
        self.deliveries.failed += 1
