"""Until which model a forgotten customer is still there: the purchases topic says when, each model how far it had read.

In: a profile id and the topic; no list of the forgotten is kept anywhere. Out: what the topic says of the customer, and
for each model whether it holds anything that was erased since. A model that had read past the tombstone holds nothing:
its database had erased the customer, and an erasure lets no model be learnt on top of an older one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from consumers.decoding.fields import InvalidRecord
from consumers.decoding.purchases import PurchaseDecoder
from consumers.kafka.records import Record
from consumers.kafka.topic_reader import TopicReader
from consumers.kafka.topics import Topics
from model.progress import Progress, silent
from model.purchases.changes import Forget
from model.store.reader import source_of

ErasureVerdict = Literal["holds", "nothing", "unknown"]
_FAR_S = 2**37  # a purchase counts here however far ahead its time is


@dataclass(slots=True)
class Trace:
    """Where the topic speaks of one customer."""

    source: str  # the topic, as models name it
    # by partition: offset, and whether the customer is forgotten from there on or has bought again; only changes
    turns: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)
    tombstones: dict[int, int] = field(default_factory=dict)  # partition -> offset of the last one
    forgotten_at_ms: int = 0  # the timestamp of the last tombstone, 0 = not said

    def note(self, record: Record) -> None:
        """Take up a record that speaks of the customer."""
        forgotten = record.value is None
        turns = self.turns.setdefault(record.partition, [])
        if not turns or turns[-1][1] is not forgotten:
            turns.append((record.offset, forgotten))
        if forgotten:
            self.tombstones[record.partition] = record.offset
            self.forgotten_at_ms = max(self.forgotten_at_ms, record.timestamp_ms)

    @property
    def bought_since(self) -> bool:
        """Whether there are purchases behind the last tombstone: those count, and are learnt."""
        return any(not turns[-1][1] for part, turns in self.turns.items() if part in self.tombstones)

    def in_model(self, source: str, offsets: Mapping[str, int]) -> ErasureVerdict:
        """Whether a model was learnt from purchases that were erased since; it had read the topic to these offsets."""
        if source != self.source:
            return "unknown"
        read = {int(partition): offset for partition, offset in offsets.items()}
        erased_since = any(offset >= read.get(partition, 0) for partition, offset in self.tombstones.items())
        had_bought = any(_had_bought(turns, read.get(partition, 0)) for partition, turns in self.turns.items())
        return "holds" if erased_since and had_bought else "nothing"


def _had_bought(turns: Sequence[tuple[int, bool]], read: int) -> bool:
    """Whether the records below offset `read` leave the customer with purchases."""
    before = [forgotten for offset, forgotten in turns if offset < read]
    return bool(before) and not before[-1]


def names_of(profile: str, decoder: PurchaseDecoder) -> frozenset[str]:
    """The profile ids that the words may stand for: itself, and that of a phone number. Raises `InvalidRecord`."""
    forget = decoder.decode(profile.encode(), None, {}, 0, 0)
    assert isinstance(forget, Forget), "a null value forgets"
    return frozenset({forget.profile, forget.also} - {""})


def trace(topics: Topics, decoder: PurchaseDecoder, names: frozenset[str], progress: Progress = silent) -> Trace:
    """Read the whole topic of purchases for one customer. Raises `BrokerUnavailable`."""
    purchases = topics.names.purchases
    found = Trace(source_of(topics.cluster_id(), purchases, topics.topic_id(purchases)))
    with TopicReader(topics.clients, group="alsobought-forgotten") as reader:
        parts = reader.extents(purchases, "purchases_topic")
        total = max(sum(part.end - part.first for part in parts), 1)
        done = 0
        for part in parts:
            for records in reader.read(purchases, part):
                for record in _of(records, decoder, names):
                    found.note(record)
                done += len(records)
                progress("reading purchases", min(done / total, 1.0))
    return found


def _of(records: Sequence[Record], decoder: PurchaseDecoder, names: frozenset[str]) -> Iterator[Record]:
    for record in records:
        try:
            timestamp_s = record.timestamp_ms / 1000
            change = decoder.decode(record.key, record.value, record.header_values(), timestamp_s, _FAR_S)
        except InvalidRecord:
            continue
        if change.profile in names or (isinstance(change, Forget) and change.also in names):
            yield record
