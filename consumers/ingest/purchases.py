"""A batch of purchases records into the store: decoded, the bad ones buried, the rest stored in one transaction.

Events of another type than a purchase are skipped and counted; so is a null value that forgets nobody.

A dead letter is delivered before the offset of its record is stored; a record that was stored before is neither decoded
nor buried again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from confluent_kafka import murmur2

from consumers.decoding.fields import InvalidRecord
from consumers.decoding.purchases import OtherEvent, PurchaseDecoder
from consumers.ingest.dead_letters import DeadLetter, LetterBox, send_dead_letters
from consumers.ingest.missing_records import MissingRecords
from consumers.ingest.odd_events import OddEvents
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.plan import Applied
from model.store.writer import Store


class Validation(Protocol):
    """Compares purchases with what would have been recommended, before they are counted."""

    def compare(self, records: Sequence[LogRecord]) -> None:
        """Take a quick look at a batch; of the failures only `StoreUnavailable` may come out."""
        ...


@dataclass(frozen=True, slots=True)
class Ingest:
    """What a batch goes through."""

    store: Store
    decoder: PurchaseDecoder
    dead_letters: LetterBox
    partition_count: int
    metrics: Metrics
    on_applied: Callable[[Applied], None]
    validation: Validation | None = None
    odd: OddEvents = field(default_factory=OddEvents)
    missing: MissingRecords | None = None

    def take(self, records: Sequence[Record]) -> None:
        """Store a batch. Raises `StoreUnavailable` or `BrokerUnavailable`, and then nothing of it is stored."""
        nexts = {partition: self.store.next_offset(partition) for partition in {record.partition for record in records}}
        gone = self.missing.between(records, nexts) if self.missing is not None else {}
        with self.metrics.answers.stage_seconds("decode").time():
            changes, letters = self._decoded(records, nexts)
        send_dead_letters(self.dead_letters, letters, self.metrics)
        if self.validation is not None:
            with self.metrics.answers.stage_seconds("judge").time():
                self.validation.compare(changes)
        with self.metrics.answers.stage_seconds("ingest").time():
            applied = self.store.apply(changes, gone)
        if self.missing is not None:
            self.missing.stored(gone)
        self.on_applied(applied)
        outcomes = {
            "applied": applied.applied,
            "duplicate": applied.duplicate,
            "replayed": applied.replayed,
            "forgotten": applied.forgotten,
            "forgot_nobody": len(applied.nobody),
            "dead": len(letters),
        }
        for outcome, count in outcomes.items():
            if count:
                self.metrics.records.events(outcome).inc(count)
        self._say(records, applied)

    def _say(self, records: Sequence[Record], applied: Applied) -> None:
        nobody = set(applied.nobody)
        for record in records if nobody else ():
            if (record.partition, record.offset) in nobody:
                self.odd.forgot_nobody(record)
        self.odd.took(self.decoder.types.taken)
        self.odd.turn()

    def _decoded(self, records: Sequence[Record], nexts: Mapping[int, int]) -> tuple[list[LogRecord], list[DeadLetter]]:
        changes: list[LogRecord] = []
        letters: list[DeadLetter] = []
        now_s = time.time()
        misrouted = 0
        for record in records:
            change: Purchase | Forget | None = None
            if record.offset >= nexts[record.partition]:  # else stored already, its dead letter too
                try:
                    change = self._change(record, now_s)
                    home = murmur2(record.key or change.profile.encode(), self.partition_count)
                    misrouted += home != record.partition
                except OtherEvent as error:
                    self._skip(error.event_type)
                except InvalidRecord as error:
                    letters.append(DeadLetter(record, error.reason, str(error)))
            changes.append(LogRecord(record.partition, record.offset, change))
        if misrouted:
            self.metrics.records.events("misrouted").inc(misrouted)
        return changes, letters

    def _skip(self, event_type: str) -> None:
        label = self.metrics.records.event_type_label(event_type)
        self.metrics.records.events("skipped").inc()
        self.metrics.records.skipped_events(label).inc()
        self.odd.skip(label)

    def _change(self, record: Record, now_s: float) -> Purchase | Forget:
        if record.headers_unreadable:
            raise InvalidRecord("wrong_type", "headers", "headers: the name of one is no UTF-8 text")
        headers = record.header_values() if record.headers else {}
        return self.decoder.decode(record.key, record.value, headers, record.timestamp_ms / 1000, now_s)
