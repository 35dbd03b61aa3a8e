"""Which partitions this worker owns, where each is read from, and which of them may be answered for.

SQLite's offset wins over Kafka's. A partition of purchases that is not yet read up to where it ended when it was
assigned is being restored; the requests of the same number wait (paused) until it is. What a broker lost, or a topic
made anew, is found here and said.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.ingest.missing_records import RETENTION, MissingRecords
from consumers.kafka.clients import BrokerUnavailable, watermarks
from consumers.observability.metrics import Metrics
from model.store.writer import Store

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Partitions:
    """The rebalance callbacks and what they know. All of it runs in the loop's thread, inside poll and close."""

    store: Store
    metrics: Metrics
    cluster_id: str
    purchases: str
    requests: str | None  # None: this worker reads purchases only
    topic_id: Callable[[], str]
    incremental: bool  # KIP-848 hands out parts; the classic protocol hands out everything at once
    on_new_topic: Callable[[], None] = lambda: None  # the purchases that count are others than before
    purchase_partitions: Callable[[], int] = lambda: 0  # 0: as many as of requests
    missing: MissingRecords | None = None  # counts what the broker no longer has
    owned: set[tuple[str, int]] = field(default_factory=set)
    restoring: dict[int, int] = field(default_factory=dict)  # partition of purchases -> where it ended when assigned
    assigned: bool = False  # whether the group has ever handed out partitions, be it none
    failure: Exception | None = None
    current_id: str | None = None  # of the topic of purchases; None = not looked at yet, "" = the broker gives none
    epoch: int = 0  # goes up whenever a partition is to be read from another place
    _moved_at: dict[tuple[str, int], int] = field(default_factory=dict)  # at which placement each was
    _restarted: bool = False
    _purchases_held: bool = False

    def answerable(self, partition: int) -> bool:
        """Whether the whole history of this partition's customers is here."""
        return (self.purchases, partition) in self.owned and partition not in self.restoring

    def may_answer(self, partition: int) -> bool:
        """Whether requests of this partition may be answered: those of one that purchases lack wait for all others."""
        count = self.purchase_partitions()
        return not self.restoring if 0 < count <= partition else self.answerable(partition)

    def is_news(self, partition: int, offset: int) -> bool:
        """Whether a purchase was not there yet when the partition was given to this worker."""
        return offset >= self.restoring.get(partition, 0)

    def moved_since(self, epoch: int, topic: str | None, partition: int | None) -> bool:
        """Whether the partition is read from another place since this epoch: what was read before is stale."""
        return self._moved_at.get((topic or "", -1 if partition is None else partition), 0) > epoch

    # -- callbacks

    def on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        """Assign each partition at its start; a failure is kept for the loop, since the client would swallow it."""
        if not parts and self.incremental:
            return
        assign = consumer.incremental_assign if self.incremental else consumer.assign
        try:
            self._look_at_topic()
            for part in parts:
                self._start_at(consumer, part)
            self._tell_if_restarted()
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop raises it
            self.failure = _explained(error)
            assign([])  # keeps the client from assigning with offsets of its own
            return
        assign(parts)
        self.owned |= {(part.topic, part.partition) for part in parts}
        self.assigned = True
        self.metrics.partitions.rebalances("assigned").inc()
        self._pause_or_resume(consumer)
        if self.missing is not None:
            self.missing.measure()
        log.info("partitions_assigned", partitions=self._owned_numbers(), restoring=sorted(self.restoring))

    def on_revoke(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        """Give partitions back; whoever has a last commit to make has made it."""
        self._drop(parts)
        self.metrics.partitions.rebalances("revoked").inc()
        if self.incremental and parts:
            consumer.incremental_unassign(parts)

    def on_lost(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        """The partitions are already another's: nothing is committed."""
        self._drop(parts)
        self.metrics.partitions.rebalances("lost").inc()
        log.warning("partitions_lost", partitions=sorted({part.partition for part in parts}))
        if self.incremental and parts:
            consumer.incremental_unassign(parts)

    # -- while running

    def reached(self, consumer: Consumer, partition: int, offset: int, *, at_end: bool = False) -> None:
        """Purchases of this partition are stored up to `offset`; the last one of a restore opens its requests."""
        end = self.restoring.get(partition)
        if end is not None and (at_end or offset >= end):
            del self.restoring[partition]
            self._pause_or_resume(consumer)
            if not self.restoring:
                log.info("partitions_restored", partitions=self._owned_numbers())

    def open_requests(self, consumer: Consumer) -> None:
        """Read the requests of partitions that may be answered now."""
        self._pause_or_resume(consumer)

    def hold_purchases(self, consumer: Consumer, *, hold: bool) -> None:
        """Read no purchases for now, or read on."""
        if hold != self._purchases_held:
            self._purchases_held = hold
            (consumer.pause if hold else consumer.resume)(
                [TopicPartition(self.purchases, number) for number in self._owned_numbers()]
            )

    def check_topic_id(self, consumer: Consumer) -> bool:
        """Look whether the topic of purchases was made anew; when it was, begin it again. True when it was."""
        if not self._look_at_topic():
            return False
        self.place_again(consumer, [TopicPartition(self.purchases, number) for number in self._owned_numbers()])
        return True

    def place_again(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        """Find the start of partitions that must be read elsewhere: their records are gone, or it is another log.

        They are assigned anew: a seek is refused once the client has stopped to fetch for want of an offset.
        """
        try:
            for part in parts:
                self._start_at(consumer, part)
            self._assign_again(consumer, parts)
        except KafkaException as error:
            raise _explained(error) from error
        self._tell_if_restarted()
        self._pause_or_resume(consumer)
        if self.missing is not None:
            self.missing.measure()

    def _assign_again(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        moved = {(part.topic, part.partition) for part in parts}
        if self.incremental:
            consumer.incremental_unassign([TopicPartition(*key) for key in moved])
            consumer.incremental_assign(parts)
            return
        others = consumer.position([TopicPartition(*key) for key in self.owned - moved])
        for part in others:
            if part.offset < 0:  # nothing of it was read yet
                self._start_at(consumer, part)
        consumer.assign([*others, *parts])

    def _look_at_topic(self) -> bool:
        """Whether the topic is another one than when it was last looked at."""
        before, now = self.current_id, self.topic_id()
        if before is not None and (before == now or not now):
            return False
        self.current_id = now
        if before is None:
            return False
        self.on_new_topic()
        return True

    def _tell_if_restarted(self) -> None:
        """What a log cut short had counted no longer counts."""
        if self._restarted:
            self._restarted = False
            self.on_new_topic()

    def _owned_numbers(self) -> list[int]:
        return sorted(number for topic, number in self.owned if topic == self.purchases)

    def _drop(self, parts: list[TopicPartition]) -> None:
        for part in parts:
            self.owned.discard((part.topic, part.partition))
            if part.topic == self.purchases:
                self.restoring.pop(part.partition, None)
                self.store.close_log(part.partition)

    def _pause_or_resume(self, consumer: Consumer) -> None:
        """A pause outlives revoke and assign, so each partition is told explicitly, every time."""
        waiting: list[TopicPartition] = []
        open_: list[TopicPartition] = []
        for topic, number in self.owned:
            ready = self.may_answer(number) if topic == self.requests else not self._purchases_held
            (open_ if ready else waiting).append(TopicPartition(topic, number))
        if waiting:
            consumer.pause(waiting)
        if open_:
            consumer.resume(open_)

    def _start_at(self, consumer: Consumer, part: TopicPartition) -> None:
        self.epoch += 1
        self._moved_at[part.topic, part.partition] = self.epoch
        low, high = watermarks(consumer, part.topic, part.partition)
        if part.topic == self.purchases:
            part.offset = self._start_of_purchases(part.partition, low, high)
        else:
            part.offset = self._start_of_requests(consumer, part, low, high)

    def _start_of_purchases(self, partition: int, low: int, high: int) -> int:
        source = (self.cluster_id, self.purchases, self.current_id or "", partition)
        start = self.store.open_log(*source).next
        where = {"topic": self.purchases, "partition": partition, "stored": start, "first": low, "end": high}
        if start > high:
            log.error(
                "purchases_log_is_shorter_than_stored", **where, action="the partition is read again from its start"
            )
            start = self.store.open_log(*source, restart=True).next
            self._restarted = True
        if start < low:
            self.metrics.records.history_lost_records.inc(low - start)
            log.error(
                "purchases_lost_on_the_broker",
                **where,
                lost=low - start,
                action="reading on at the first record left; set retention.ms=-1 on this topic",
            )
            self.store.skip_to(partition, low, RETENTION)
            start = low
        if start < high:
            self.restoring[partition] = high
        else:
            self.restoring.pop(partition, None)
        return start

    @staticmethod
    def _start_of_requests(consumer: Consumer, part: TopicPartition, low: int, high: int) -> int:
        """Where the group left off, else the oldest there is: requests that are too old are dropped when read."""
        try:
            (committed,) = consumer.committed([TopicPartition(part.topic, part.partition)], timeout=10)
        except KafkaException as error:
            log.warning("no_committed_offset", topic=part.topic, partition=part.partition, error=str(error))
            return low
        return committed.offset if low <= committed.offset <= high else low


def _explained(error: Exception) -> Exception:
    if not isinstance(error, KafkaException):
        return error
    return BrokerUnavailable(f"finding where to read on from: {error.args[0].str()}; start again when Kafka answers")
