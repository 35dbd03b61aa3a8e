"""The topics that every worker reads whole: the catalogue (kept in SQLite) and the announcements of models.

They are read beside the group, by a consumer that assigns itself. Announcements are acted on only once the end of the
topic has been seen: of one key only the last counts.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.ingest.catalogue import Catalogue
from consumers.ingest.dead_letters import DeadLetters
from consumers.kafka.clients import watermarks
from consumers.kafka.records import ReadError, Record, sorted_out
from consumers.observability.metrics import Metrics
from consumers.releases.announcement import Announcement, UnreadableAnnouncement, read_announcement
from model.store.writer import Store

log = structlog.get_logger(__name__)
_AT_ONCE = 1000


@dataclass(slots=True)
class GlobalTopics:
    """Reads both topics; one turn after each batch of the loop."""

    consumer: Consumer
    store: Store
    dead_letters: DeadLetters
    metrics: Metrics
    cluster_id: str
    catalog: str
    models: str
    on_announced: Callable[[str, Announcement | None], None]
    on_catalogue: Callable[[Sequence[int]], None]
    _lost_place: bool = False
    _ends: dict[int, int] = field(default_factory=dict)  # partition of models -> offset that is not yet reached
    _announced: dict[str, Announcement | None] = field(default_factory=dict)
    _catalogue: Catalogue = field(init=False)

    def __post_init__(self) -> None:
        """Put the catalogue's part together."""
        self._catalogue = Catalogue(
            store=self.store,
            dead_letters=self.dead_letters,
            metrics=self.metrics,
            cluster_id=self.cluster_id,
            topic=self.catalog,
        )

    def start(self) -> None:
        """Assign both topics: the catalogue from where it was left, the models from their beginning."""
        parts = []
        known = self.store.catalogue_positions()
        for topic in (self.catalog, self.models):
            for partition in self.consumer.list_topics(topic, timeout=10).topics[topic].partitions:
                low, high = watermarks(self.consumer, topic, partition)
                start = low
                if topic == self.catalog:
                    stored = known.get(self._catalogue.position(partition), low)
                    start = stored if low <= stored <= high else low
                elif low < high:
                    self._ends[partition] = high
                parts.append(TopicPartition(topic, partition, start))
        self.consumer.assign(parts)

    @property
    def caught_up(self) -> bool:
        """Whether every announcement that was there at the start has been read."""
        return not self._ends

    def turn(self) -> None:
        """Take what has come, without waiting."""
        if self._lost_place:
            self._start_again()
        records, errors = sorted_out(self.consumer.consume(_AT_ONCE, 0))
        listed = [record for record in records if record.topic == self.catalog]
        for record in records:
            if record.topic == self.models:
                self._read_announcement(record)
        for error in errors:
            self._on_error(error)
        if listed:
            self.on_catalogue(self._catalogue.take(listed))
        if self.caught_up and self._announced:
            announced, self._announced = self._announced, {}
            for brand, announcement in announced.items():
                self.on_announced(brand, announcement)

    def _start_again(self) -> None:
        """Assign anew: a seek is refused once the client has stopped to fetch for want of an offset."""
        try:
            self.start()
            self._lost_place = False
        except KafkaException as error:  # the next turn tries again
            log.warning("kafka_read_error", topic=self.models, code=error.args[0].name(), error=error.args[0].str())

    def _read_announcement(self, record: Record) -> None:
        problem = ""
        try:
            brand, announcement = read_announcement(record)
            self._announced[brand] = announcement
        except UnreadableAnnouncement as error:
            problem = str(error)
        if problem:
            self.metrics.model.refused("unreadable_announcement").inc()
            log.error("announcement_unreadable", topic=self.models, offset=record.offset, message=problem)
        self._reached(record.partition, record.offset + 1)

    def _reached(self, partition: int, offset: int) -> None:
        if offset >= self._ends.get(partition, math.inf):
            del self._ends[partition]

    def _on_error(self, error: ReadError) -> None:
        if error.is_end:
            if error.topic == self.models:  # records below the end may have been compacted away
                self._ends.pop(error.partition, None)
        elif error.is_out_of_range:
            self._lost_place = True
        else:
            log.warning("kafka_read_error", topic=error.topic, code=error.name, error=error.text)
