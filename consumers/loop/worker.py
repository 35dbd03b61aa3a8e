"""The loop: one consumer, one thread. It stores purchases, then answers requests, batch by batch.

Purchases and their offsets are stored in one transaction; a bad record becomes a dead letter, delivered before its
offset is stored. A turn stores before it answers, so a purchase read before a request is in its answer, unless so many
are caught up on that they take several turns: then answers come first. Commits to Kafka follow and only feed lag tools,
but for requests: these are committed once their replies are delivered (`consumers.loop.answering`).
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.dead_letters import DeadLetters
from consumers.ingest.missing_records import MissingRecords
from consumers.ingest.purchases import Ingest, Validation
from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.records import ReadError, Record, sorted_out
from consumers.loop.answering import Answering, Responder
from consumers.loop.deadline_clock import DeadlineClock
from consumers.loop.lateness import Lateness
from consumers.loop.partitions import Partitions
from consumers.loop.read_ahead import ReadAhead
from consumers.observability.metrics import Metrics
from consumers.pace import Pace
from model.store.plan import Applied
from model.store.writer import Store

log = structlog.get_logger(__name__)
_POLL_S = 0.1
_ASKED_LATELY_S = 1.0
_TAKEN_WHILE_ASKED = 128  # purchases at a time then: those that are caught up on hold up answers by some 3 ms
_REACHABLE_S = 1.0
_TOO_SLOW = (
    "joining the group again, nothing is lost; see what made the turn slow: the disk, another program that locks the "
    "database, or max.poll.interval.ms in kafka_properties is too short"
)


class Listener(Protocol):
    """Something that takes a short turn after every batch, in the loop's thread."""

    def turn(self) -> None:
        """Do what there is to do now, without waiting."""
        ...


@dataclass(slots=True)
class Worker:
    """What the loop works with; `run` is the loop."""

    consumer: Consumer
    producer: Producer
    store: Store
    decoder: PurchaseDecoder
    dead_letters: DeadLetters
    partitions: Partitions
    partition_count: int
    metrics: Metrics
    responder: Responder | None
    listeners: Sequence[Listener]
    on_applied: Callable[[Applied], None]
    check_topics: Callable[[], None]
    validation: Validation | None = None
    missing: MissingRecords | None = None
    lateness: Lateness = field(default_factory=lambda: Lateness(math.inf))
    clock: DeadlineClock = field(default_factory=DeadlineClock)
    ingest_batch: int = 2000
    request_batch: int = 256
    pace: Pace = field(default_factory=Pace)
    answering: Answering | None = field(init=False)
    _next_chores: float = 0.0
    _asked_at_s: float = -math.inf
    _next_topic_check: float = 0.0
    _leave_by_s: float | None = None
    _ingest: Ingest = field(init=False)
    _ahead: ReadAhead = field(init=False)

    def __post_init__(self) -> None:
        """Put the parts together: what is read, ingest, and answering where there is a responder."""
        self._ahead = ReadAhead(self.consumer, self.partitions)
        self._ingest = Ingest(
            store=self.store,
            decoder=self.decoder,
            dead_letters=self.dead_letters,
            partition_count=self.partition_count,
            metrics=self.metrics,
            on_applied=self.on_applied,
            validation=self.validation,
            missing=self.missing,
        )
        self.answering = None
        if self.responder is not None:
            self.answering = Answering(
                responder=self.responder,
                producer=self.producer,
                dead_letters=self.dead_letters,
                metrics=self.metrics,
                answerable=self.partitions.may_answer,
                batch=self.request_batch,
                lateness=self.lateness,
                clock=self.clock,
            )

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until `stopping`, then finish what is in hand and leave the group."""
        self.subscribe()
        self._next_topic_check = time.monotonic() + self.pace.topic_check_s
        try:
            while not stopping():
                self.step()
        finally:
            self._leave()

    def subscribe(self) -> None:
        """Join the group."""
        topics = [self.partitions.purchases] + ([self.partitions.requests] if self.partitions.requests else [])
        self.consumer.subscribe(
            topics, on_assign=self.partitions.on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def step(self) -> None:
        """One turn: read what is there, store, answer, and let the others have their turn."""
        batch = self._read()
        if self.partitions.failure is not None:
            raise self.partitions.failure
        records, errors = sorted_out(batch)
        owned, name = self.partitions.owned, self.partitions.purchases
        mine = [record for record in records if (record.topic, record.partition) in owned]
        purchases = [record for record in mine if record.topic == name]
        requests = [record for record in mine if record.topic != name] if len(purchases) < len(mine) else []
        if self._ahead.behind:
            self._answer(requests)
            self._take_in(purchases, errors)
        else:
            self._take_in(purchases, errors)
            self._answer(requests)
        self.producer.poll(0)
        for listener in self.listeners:
            listener.turn()
        self.metrics.partitions.heartbeat.beat()
        self._chores()

    def _read(self) -> list[Message]:
        """What there is for this turn; waits a moment when there is nothing."""
        busy = self.answering is not None and self.answering.busy
        if busy and self.answering is not None and self.answering.waiting.full:
            return []
        asked = time.monotonic() - self._asked_at_s < _ASKED_LATELY_S
        most = min(self.ingest_batch, _TAKEN_WHILE_ASKED) if asked else self.ingest_batch
        return self._ahead.take(most, 0 if busy else _POLL_S, past_purchases=asked)

    def _take_in(self, purchases: Sequence[Record], errors: Sequence[ReadError]) -> None:
        if purchases:
            self._ingest.take(purchases)
            for partition in {record.partition for record in purchases}:
                self.partitions.reached(self.consumer, partition, self.store.next_offset(partition))
        for error in errors:  # after what was read before them: they may send a partition elsewhere
            self._on_error(error)

    def _answer(self, requests: Sequence[Record]) -> None:
        if self.answering is None:
            return
        if requests:
            self._asked_at_s = time.monotonic()
        self.answering.take_up(requests)
        self.answering.turn()

    def _on_error(self, error: ReadError) -> None:
        mine = (error.topic, error.partition) in self.partitions.owned
        if error.is_end:
            if mine and error.topic == self.partitions.purchases:
                # the last records may be transaction markers, which nobody gets to see
                self.partitions.reached(self.consumer, error.partition, error.offset, at_end=True)
        elif error.is_out_of_range and mine:
            log.warning("offset_out_of_range", topic=error.topic, partition=error.partition, error=error.text)
            self.partitions.place_again(self.consumer, [TopicPartition(error.topic, error.partition)])
        elif error.is_too_slow:
            self.metrics.partitions.loop_too_slow.inc()
            log.error("loop_too_slow", error=error.text, action=_TOO_SLOW)
        elif error.fatal:
            raise BrokerUnavailable(f"the Kafka client can not go on: {error.name}: {error.text}")
        else:
            log.warning(
                "kafka_read_error", topic=error.topic, partition=error.partition, code=error.name, error=error.text
            )

    # -- chores

    def _chores(self) -> None:
        now = time.monotonic()
        if now < self._next_chores:
            return
        self._next_chores = now + self.pace.chores_s
        self._commit(asynchronous=True)
        self._measure()
        if self.answering is not None:
            self.answering.chores()
        if self.missing is not None and not self.partitions.restoring:  # else there is more to come
            self.missing.say()
        if now >= self._next_topic_check:
            self._next_topic_check = now + self.pace.topic_check_s
            before = self.partitions.purchase_partitions()
            self.check_topics()
            if self.partitions.purchase_partitions() != before:
                self._ingest = replace(self._ingest, partition_count=self.partitions.purchase_partitions())
                self.partitions.open_requests(self.consumer)
            if self.partitions.check_topic_id(self.consumer):
                log.error(
                    "purchases_topic_was_made_anew", topic=self.partitions.purchases, action="read from its start"
                )

    def _commit(self, *, asynchronous: bool) -> None:
        done = self.answering.committable() if self.answering is not None else {}
        for topic, partition in self.partitions.owned:
            if topic == self.partitions.purchases:
                done[topic, partition] = self.store.next_offset(partition)
        offsets = [
            TopicPartition(*key, offset) for key, offset in done.items() if key in self.partitions.owned and offset
        ]
        if not offsets:
            return
        try:
            self.consumer.commit(offsets=offsets, asynchronous=asynchronous)  # type: ignore[call-overload]  # either
        except KafkaException as error:
            self.metrics.records.commit_failures.inc()
            log.debug("commit_failed", error=str(error))

    def _measure(self) -> None:
        self.metrics.partitions.owned.set(sum(topic == self.partitions.purchases for topic, _ in self.partitions.owned))
        self.metrics.partitions.restoring.set(len(self.partitions.restoring))
        parts = [TopicPartition(topic, partition) for topic, partition in self.partitions.owned]
        waiting = self._ahead.partitions_waiting()
        unanswered = self.answering.waiting.next_offsets() if self.answering is not None else {}
        for part, position in zip(parts, self.consumer.position(parts), strict=True):
            _, high = self.consumer.get_watermark_offsets(part, cached=True)
            stored = unanswered.get((part.topic, part.partition), position.offset)
            if part.topic == self.partitions.purchases:
                next_offset = self.store.next_offset(part.partition)
                # the position may be past transaction markers that nobody gets to see
                stored = next_offset if (part.topic, part.partition) in waiting else max(next_offset, stored)
            if high >= 0 and stored >= 0:
                self.metrics.partitions.lag(part.topic, part.partition).set(max(high - stored, 0))

    # -- partitions that go away

    def _on_revoke(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        self._deliver_and_commit()
        self.partitions.on_revoke(consumer, parts)
        self._forget(parts)

    def _on_lost(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        self.partitions.on_lost(consumer, parts)
        self._forget(parts)

    def _deliver_and_commit(self) -> None:
        """What was done is delivered and committed while the partitions are still ours."""
        self._flush()
        try:  # else the commit would wait as long as a session lasts
            # not the consumer's: in its own callback the client would end the process by an assertion
            self.producer.list_topics(timeout=_REACHABLE_S)
        except KafkaException as error:
            log.warning("kafka_unreachable", error=error.args[0].str(), action="left without a last commit to Kafka")
            return
        self._commit(asynchronous=False)

    def _forget(self, parts: list[TopicPartition]) -> None:
        for part in parts:
            if self.answering is not None:
                self.answering.forget(part.topic, part.partition)
            self.metrics.partitions.lag.forget(part.topic, part.partition)

    def _flush(self) -> int:
        """Wait for replies on their way; once leaving, all waits together take no longer than one."""
        left_s = self.pace.flush_s if self._leave_by_s is None else max(self._leave_by_s - time.monotonic(), 0.0)
        return self.producer.flush(left_s)

    def _leave(self) -> None:
        """Leave the group: the revoke callback delivers and commits. A broker that is gone is not waited for."""
        self._leave_by_s = time.monotonic() + self.pace.flush_s
        # librdkafka now and then waits for ever in close when the broker is gone (2.16.0: 1 of 12), hence the thread
        closing = threading.Thread(target=self.consumer.close, name="leave-group", daemon=True)
        closing.start()
        closing.join(self.pace.leave_s)
        if closing.is_alive():
            waited_s = self.pace.leave_s
            log.warning("group_not_left", action=f"Kafka did not answer within {waited_s:.0f} s; leaving all the same")
        left = self._flush()
        if left:
            log.warning("replies_undelivered", count=left)
