"""Purchases that were gone before they were read: deleted at the beginning of a partition, or compacted away inside it.

In: where reading began and which offsets had a record. Out: counts that stay with the database, the log, metrics.
Promise: a transaction's marker or an aborted record is never called a loss. Where the topic is not compacted, an offset
without a record is one of those, or was compacted away under an earlier policy: it is counted apart, as unclear.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

import structlog

from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from consumers.pace import SHOPS_PACE, Pace
from model.store.writer import Store

log = structlog.get_logger(__name__)
RETENTION, COMPACTION, UNCLEAR = "retention", "compaction", "unclear"


def holes(records: Sequence[Record], nexts: Mapping[int, int]) -> dict[int, int]:
    """Offsets without a record, by partition, between what is stored (`nexts`) and the last of these records."""
    counts: Counter[int] = Counter()
    lasts: dict[int, int] = {}
    for partition, run in groupby(records, attrgetter("partition")):
        offsets = [record.offset for record in run]
        first = nexts[partition]
        if min(offsets) < first:
            offsets = [offset for offset in offsets if offset >= first]
        if offsets:
            counts[partition] += len(offsets)
            lasts[partition] = max(*offsets, lasts.get(partition, 0))
    found = {number: last + 1 - nexts[number] - counts[number] for number, last in lasts.items()}
    return {number: count for number, count in found.items() if count > 0}


def total(missing: Mapping[tuple[int, str], int], *causes: str) -> int:
    """How many are missing for these causes."""
    return sum(count for (_, cause), count in missing.items() if cause in causes)


@dataclass(slots=True)
class MissingRecords:
    """What the open partitions lack; all of it in the loop's thread, but for `lost`."""

    store: Store
    metrics: Metrics
    compacted: Callable[[], bool] = lambda: False
    topic: str = ""
    pace: Pace = SHOPS_PACE
    lost: int = 0  # records that are known to be gone from the history that is answered from
    _unsaid: Counter[int] = field(default_factory=Counter)  # partition -> compacted away and not said yet
    _said_at_s: float = -math.inf

    def between(self, records: Sequence[Record], nexts: Mapping[int, int]) -> dict[tuple[int, str], int]:
        """What a batch lacks, by (partition, cause), to be stored with it."""
        cause = COMPACTION if self.compacted() else UNCLEAR
        return {(partition, cause): count for partition, count in holes(records, nexts).items()}

    def stored(self, missing: Mapping[tuple[int, str], int]) -> None:
        """It is stored: count it."""
        for (partition, cause), count in missing.items():
            if cause == COMPACTION:
                self.metrics.records.history_lost_records.inc(count)
                self._unsaid[partition] += count
        if missing:
            self.measure()

    def measure(self) -> None:
        """Bring the gauges up to date with the open partitions."""
        known = self.store.missing()
        for cause in (RETENTION, COMPACTION, UNCLEAR):
            self.metrics.records.history_missing(cause).set(total(known, cause))
        self.lost = total(known, RETENTION, COMPACTION)

    def say(self, *, now_s: float | None = None) -> None:
        """Say what was compacted away since the last time, at most every `pace.say_losses_again_s`."""
        now_s = time.monotonic() if now_s is None else now_s
        if not self._unsaid or now_s - self._said_at_s < self.pace.say_losses_again_s:
            return
        self._said_at_s = now_s
        log.error(
            "purchases_compacted_away",
            topic=self.topic,
            partitions=dict(sorted(self._unsaid.items())),
            lost=self._unsaid.total(),
            action="set cleanup.policy=delete and retention.ms=-1 on the topic, and import the orders that are missing",
        )
        self._unsaid.clear()
