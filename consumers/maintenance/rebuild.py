"""The database made anew from the topics: every purchase, every forgetting and the catalogue, by the worker's own code.

In: the topics as far as they reach at the start. Out: a file beside the old one, which takes its place only once it is
whole. Partitions are read one after the other, so that two rebuilds of one topic do the same in the same order; the
catalogue comes last, when the brands are known in which a product is withdrawn.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, KafkaException

from config.settings import Settings
from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.catalogue import Catalogue
from consumers.ingest.dead_letters import DeadLetter
from consumers.ingest.purchases import Ingest
from consumers.kafka.missing_records import COMPACTION, RETENTION, MissingRecords, total
from consumers.kafka.records import Record
from consumers.kafka.retention import TopicPolicies
from consumers.kafka.topic_reader import Extent, extents, read_extent
from consumers.kafka.topics import Topics
from consumers.observability.metrics import Metrics
from model.progress import Progress, silent
from model.store.writer import Store

Missing = Mapping[tuple[int, str], int]

_BESIDE = ("-wal", "-shm")  # SQLite's own files, which belong to the one they are named after


@dataclass(slots=True)
class Rebuilt:
    """What was found while reading."""

    records: int = 0  # of purchases
    unreadable: int = 0  # of both topics; they were made dead letters when they were first read
    missing: Missing = field(default_factory=dict)  # (partition of purchases, cause) -> offsets without a record

    @property
    def lost(self) -> int:
        """Records of purchases that are known to be gone from the topic."""
        return total(self.missing, RETENTION, COMPACTION)


class _Counted:
    """Where unreadable records go now: they lie on the dead-letter topic already."""

    def __init__(self) -> None:
        self.count = 0

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        self.count += len(letters)


def rebuild(
    path: Path, settings: Settings, topics: Topics, decoder: PurchaseDecoder, progress: Progress = silent
) -> Rebuilt:
    """Write the state that the topics give into `path`, where no file is.

    Raises `BrokerUnavailable` and `StoreUnavailable`, and leaves what it had begun.
    """
    cluster, names = topics.cluster_id(), topics.names
    consumer = topics.clients.consumer(f"{settings.group_id}-rebuild", enable_partition_eof="true")
    store = Store(
        path, fold_every_events=settings.fold_every_events, dedupe_window_events=settings.dedupe_window_events
    )
    policies = TopicPolicies(topics, Metrics(), settings.bootstrap_servers, "warn")
    policies.check_at_start()
    work = _Rebuild(store, consumer, settings.ingest_batch_records, progress, policies)
    try:
        source = (cluster, names.purchases, topics.topic_id(names.purchases))
        work.read_purchases(source, extents(consumer, names.purchases, "purchases_topic"), decoder)
        work.read_catalogue(cluster, names.catalog, extents(consumer, names.catalog, "catalog_topic"))
    except KafkaException as error:
        raise topics.clients.unavailable("reading the topics", consumer) from error
    finally:
        consumer.close()
        store.close()
    return work.rebuilt


class _Rebuild:
    """One rebuild as it goes along."""

    def __init__(
        self, store: Store, consumer: Consumer, at_once: int, progress: Progress, policies: TopicPolicies
    ) -> None:
        self.rebuilt = Rebuilt()
        self._store = store
        self._consumer = consumer
        self._at_once = at_once
        self._progress = progress
        self._letters = _Counted()
        self._metrics = Metrics()
        self._missing = MissingRecords(store, self._metrics, lambda: policies.purchases_compacted)

    def read_purchases(self, source: tuple[str, str, str], parts: Sequence[Extent], decoder: PurchaseDecoder) -> None:
        """Every partition, one after the other."""
        ingest = Ingest(
            self._store,
            decoder,
            self._letters,
            len(parts),
            self._metrics,
            lambda _applied: None,
            missing=self._missing,
        )
        for part in parts:
            self._store.open_log(*source, part.partition)
            if part.first > 0:
                self._store.skip_to(part.partition, part.first, RETENTION)
        for records in self._batches(source[1], parts, "purchases"):
            ingest.take(records)
            self.rebuilt.records += len(records)
        self.rebuilt.missing = self._store.missing()
        self.rebuilt.unreadable = self._letters.count

    def read_catalogue(self, cluster: str, topic: str, parts: Sequence[Extent]) -> None:
        """Everything that the catalogue says now."""
        catalogue = Catalogue(self._store, self._letters, self._metrics, cluster, topic)
        for records in self._batches(topic, parts, "catalogue"):
            catalogue.take(records)
        self.rebuilt.unreadable = self._letters.count

    def _batches(self, topic: str, parts: Iterable[Extent], what: str) -> Iterator[Sequence[Record]]:
        total = sum(part.end - part.first for part in parts)
        before = 0
        for part in parts:
            for records in read_extent(self._consumer, topic, part, at_once=self._at_once):
                yield records
                self._progress(what, (before + records[-1].offset + 1 - part.first) / total)
            before += part.end - part.first
        self._progress(what, 1.0)


def put_in_place(fresh: Path, path: Path, stamp: str) -> Path | None:
    """Let the new file take the old one's place; returns where the old one is now, None where there was none."""
    aside = path.with_name(f"{path.name}.before-{stamp}")
    there = path.exists()
    for suffix in ("", *_BESIDE):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(aside.with_name(aside.name + suffix))
    fresh.rename(path)
    return aside if there else None


def remove(path: Path) -> None:
    """Remove a database and what SQLite keeps beside it."""
    for suffix in ("", *_BESIDE):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
