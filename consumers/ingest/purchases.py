"""A batch of purchases records into the store: decoded, the bad ones buried, the rest stored in one transaction.

Events of another type than a purchase are skipped and counted; so is a null value that forgets nobody.

A dead letter is delivered before the offset of its record is stored; a record that was stored before is neither decoded
nor buried again.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import ne
from typing import Protocol

from confluent_kafka import murmur2

from consumers.decoding.fields import InvalidRecord
from consumers.decoding.purchases import MAX_EVENT_BYTES, OtherEvent, PurchaseDecoder, header_counts
from consumers.ingest.dead_letters import DeadLetter, LetterBox, send_dead_letters
from consumers.ingest.missing_records import MissingRecords
from consumers.ingest.odd_events import OddEvents
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.purchases.changes import Forget, LogRecord, Purchase
from model.purchases.log_batch import LogBatch
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

    def _decoded(self, records: Sequence[Record], nexts: Mapping[int, int]) -> tuple[LogBatch, list[DeadLetter]]:
        """The batch in columns. What was stored already moves the offset only, and so does a dead letter."""
        now_s = time.time()
        plain, unusual, values = _by_form(records, nexts)
        purchases, others = self.decoder.decode_plain(values, now_s)
        if others:
            unusual = sorted([*unusual, *(plain[at] for at in others)])
            plain = sorted(set(plain).difference(unusual))
        changes, letters = self._read_carefully(records, unusual, now_s)
        inserted = [(place, change) for place, change in changes.items() if isinstance(change, Purchase)]
        batch = LogBatch(
            partitions=[record.partition for record in records],
            offsets=[record.offset for record in records],
            places=sorted([*plain, *(place for place, _ in inserted)]) if inserted else plain,
            purchases=purchases.with_inserted([(bisect_left(plain, place), change) for place, change in inserted]),
            forgets={place: change for place, change in changes.items() if isinstance(change, Forget)},
        )
        misrouted = self._misrouted(records, batch)
        if misrouted:
            self.metrics.records.events("misrouted").inc(misrouted)
        return batch, letters

    def _read_carefully(
        self, records: Sequence[Record], places: Iterable[int], now_s: float
    ) -> tuple[dict[int, Purchase | Forget], list[DeadLetter]]:
        """What the records at these places say, by place, and dead letters of those that can not be used."""
        changes: dict[int, Purchase | Forget] = {}
        letters: list[DeadLetter] = []
        for place in places:
            try:
                changes[place] = self._change(records[place], now_s)
            except OtherEvent as error:
                self._skip(error.event_type)
            except InvalidRecord as error:
                letters.append(DeadLetter(records[place], error.reason, str(error)))
        return changes, letters

    def _misrouted(self, records: Sequence[Record], batch: LogBatch) -> int:
        """How many records are not in the partition that their key, or their customer where there is none, has."""
        of_purchases = zip(batch.places, batch.purchases.profiles, strict=True)
        of_forgets = ((place, forget.profile) for place, forget in batch.forgets.items())
        keyed = [(records[place], profile) for place, profile in chain(of_purchases, of_forgets)]
        keys = [record.key or profile.encode() for record, profile in keyed]
        homes = map(murmur2, keys, repeat(self.partition_count))
        return sum(map(ne, homes, [record.partition for record, _ in keyed]))

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


def _by_form(records: Sequence[Record], nexts: Mapping[int, int]) -> tuple[list[int], list[int], list[bytes]]:
    """Places of records that are not stored yet, those that may be plain and the others; the values of the first."""
    plain: list[int] = []
    unusual: list[int] = []
    values: list[bytes] = []
    for place, record in enumerate(records):
        if record.offset < nexts[record.partition]:  # stored already, its dead letter too
            continue
        value, headers = record.value, record.headers
        counts = record.headers_unreadable or (headers and header_counts(headers))
        if value is None or counts or len(value) > MAX_EVENT_BYTES:
            unusual.append(place)
        else:
            plain.append(place)
            values.append(value)
    return plain, unusual, values
