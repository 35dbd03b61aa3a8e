"""The loop: one consumer, one thread. It stores purchases, then answers requests, batch by batch.

Purchases and their offsets are stored in one transaction; a bad record becomes a dead letter, delivered before its offset is
stored. A purchase read before a request is therefore always in its answer. Commits to Kafka follow and only feed lag tools,
but for requests: these are committed once their replies are delivered.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition, murmur2

from consumers.clients import BrokerUnavailable, drain, produce
from consumers.dead_letters import DeadLetter, DeadLetters
from consumers.deliveries import Deliveries
from consumers.events import InvalidRecord, PurchaseDecoder
from consumers.metrics import Metrics
from consumers.partitions import Partitions
from consumers.records import ReadError, Record, sorted_out
from model.purchases import Forget, LogRecord, Purchase
from model.store import Applied, Store

log = structlog.get_logger(__name__)
_POLL_S = 0.1
_CHORES_S = 1.0
_TOPIC_CHECK_S = 60.0
_FLUSH_S = 4.0


@dataclass(frozen=True, slots=True)
class Reply:
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
    ingest_batch: int = 2000
    request_batch: int = 256
    deliveries: Deliveries = field(default_factory=Deliveries)
    _next_chores: float = 0.0
    _next_topic_check: float = 0.0

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until `stopping`, then finish what is in hand and leave the group."""
        topics = [self.partitions.purchases] + ([self.partitions.requests] if self.partitions.requests else [])
        self.partitions.on_revoked = self._before_revoke
        self.consumer.subscribe(
            topics,
            on_assign=self.partitions.on_assign,
            on_revoke=self.partitions.on_revoke,
            on_lost=self.partitions.on_lost,
        )
        self._next_topic_check = time.monotonic() + _TOPIC_CHECK_S
        try:
            while not stopping():
                self.step()
        finally:
            self._leave()

    def step(self) -> None:
        """One turn: read what is there, store, answer, and let the others have their turn."""
        batch = drain(self.consumer, self.ingest_batch, _POLL_S)
        if self.partitions.failure is not None:
            raise self.partitions.failure
        records, errors = sorted_out(batch)
        for error in errors:
            self._on_error(error)
        mine = [record for record in records if (record.topic, record.partition) in self.partitions.owned]
        purchases = [record for record in mine if record.topic == self.partitions.purchases]
        requests = [record for record in mine if record.topic != self.partitions.purchases]
        if purchases:
            self._store(purchases)
        for at in range(0, len(requests), self.request_batch):
            self._answer(requests[at : at + self.request_batch])
        self.producer.poll(0)
        for listener in self.listeners:
            listener.turn()
        self.metrics.heartbeat.beat()
        self._chores()

    def _on_error(self, error: ReadError) -> None:
        mine = (error.topic, error.partition) in self.partitions.owned
        if error.is_end:
            if mine and error.topic == self.partitions.purchases:
                # all before the end came in this batch or an earlier one, and is stored before requests resume
                self.partitions.reached(self.consumer, error.partition, error.offset, at_end=True)
        elif error.is_out_of_range and mine:
            log.warning("offset_out_of_range", topic=error.topic, partition=error.partition, error=error.text)
            self.partitions.place_again(self.consumer, error.partition, error.topic)
        elif error.fatal:
            raise BrokerUnavailable(f"the Kafka client can not go on: {error.name}: {error.text}")
        else:
            log.warning(
                "kafka_read_error", topic=error.topic, partition=error.partition, code=error.name, error=error.text
            )

    # -- purchases

    def _store(self, records: Sequence[Record]) -> None:
        with self._timed("decode"):
            changes, letters = self._decoded(records)
        self._bury(letters)
        with self._timed("ingest"):
            applied = self.store.apply(changes)
        self.on_applied(applied)
        outcomes = (applied.applied, applied.duplicate, applied.replayed, applied.forgotten, len(letters))
        for outcome, count in zip(("applied", "duplicate", "replayed", "forgotten", "dead"), outcomes, strict=True):
            if count:
                self.metrics.events(outcome).inc(count)
        for partition in {record.partition for record in records}:
            self.partitions.reached(self.consumer, partition, self.store.next_offset(partition))

    def _decoded(self, records: Sequence[Record]) -> tuple[list[LogRecord], list[DeadLetter]]:
        changes: list[LogRecord] = []
        letters: list[DeadLetter] = []
        now_s = time.time()
        for record in records:
            change: Purchase | Forget | None = None
            if record.offset >= self.store.next_offset(record.partition):  # else stored already, its dead letter too
                headers = record.header_values() if record.headers else {}
                try:
                    change = self.decoder.decode(record.key, record.value, headers, record.timestamp_ms / 1000, now_s)
                    self._check_route(record, change)
                except InvalidRecord as error:
                    letters.append(DeadLetter(record, error.reason, str(error)))
            changes.append(LogRecord(record.partition, record.offset, change))
        return changes, letters

    def _check_route(self, record: Record, change: Purchase | Forget) -> None:
        home = murmur2(record.key or change.profile.encode(), self.partition_count)
        if home != record.partition:
            self.metrics.events("misrouted").inc()

    def _bury(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        self.dead_letters.deliver(letters)
        for letter in letters:
            self.metrics.dead_letters(letter.record.topic, letter.reason).inc()

    # -- requests

    def _answer(self, records: Sequence[Record]) -> None:
        assert self.responder is not None, "requests are subscribed to only with a responder"
        span = self.deliveries.open
        letters: list[DeadLetter] = []
        for outgoing in self.responder.respond(records):
            if isinstance(outgoing, DeadLetter):
                letters.append(outgoing)
                continue
            try:
                produce(
                    self.producer,
                    on_delivery=span.delivered,
                    topic=outgoing.topic,
                    partition=outgoing.partition,
                    key=outgoing.key,
                    value=outgoing.value,
                    headers=outgoing.headers,
                )
                span.waiting += 1
            except (
                KafkaException
            ) as error:  # no such partition, or too large: whoever asked waits in vain, and we say so
                log.warning("reply_refused", topic=outgoing.topic, error=error.args[0].str())
                self.deliveries.failed += 1
        self._bury(letters)
        for record in records:
            span.offsets[record.topic, record.partition] = record.offset + 1

    # -- chores

    def _chores(self) -> None:
        now = time.monotonic()
        if now < self._next_chores:
            return
        self._next_chores = now + _CHORES_S
        self._commit(asynchronous=True)
        self._measure()
        if now >= self._next_topic_check:
            self._next_topic_check = now + _TOPIC_CHECK_S
            self.check_topics()
            if self.partitions.check_topic_id(self.consumer):
                log.error(
                    "purchases_topic_was_made_anew", topic=self.partitions.purchases, action="read from its start"
                )

    def _commit(self, *, asynchronous: bool) -> None:
        done = self.deliveries.committable()
        for topic, partition in self.partitions.owned:
            if topic == self.partitions.purchases:
                done[topic, partition] = self.store.next_offset(partition)
        offsets = [
            TopicPartition(*key, offset) for key, offset in done.items() if key in self.partitions.owned and offset
        ]
        if not offsets:
            return
        try:
            if asynchronous:
                self.consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self.metrics.commit_failures.inc()
            log.debug("commit_failed", error=str(error))

    def _measure(self) -> None:
        self.metrics.partitions_owned.set(sum(topic == self.partitions.purchases for topic, _ in self.partitions.owned))
        self.metrics.partitions_restoring.set(len(self.partitions.restoring))
        parts = [TopicPartition(topic, partition) for topic, partition in self.partitions.owned]
        for part, position in zip(parts, self.consumer.position(parts), strict=True):
            _, high = self.consumer.get_watermark_offsets(part, cached=True)
            stored = position.offset
            if part.topic == self.partitions.purchases:
                stored = max(self.store.next_offset(part.partition), stored)
            if high >= 0 and stored >= 0:
                self.metrics.lag_records(part.topic, part.partition).set(max(high - stored, 0))

    def _before_revoke(self, parts: list[TopicPartition]) -> None:
        """What was done is delivered and committed while the partitions are still ours."""
        self.producer.flush(_FLUSH_S)
        self._commit(asynchronous=False)
        for part in parts:
            self.deliveries.forget(part.topic, part.partition)
            self.metrics.lag_records.forget(part.topic, part.partition)

    def _leave(self) -> None:
        left = self.producer.flush(_FLUSH_S)
        if left:
            log.warning("replies_undelivered", count=left)
        self.consumer.close()  # runs the revoke callback, which commits

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.metrics.stage_seconds(stage).observe(time.perf_counter() - begin)
