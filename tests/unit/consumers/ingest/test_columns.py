"""Read in columns or one by one: the same records come to the same purchases, dead letters, counts and words."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
from hypothesis import given, settings

from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.odd_events import OddEvents
from consumers.ingest.purchases import Ingest
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.purchases.log_batch import PurchaseColumns
from model.store.digest import read_state
from model.store.writer import Store

PARTITIONS = 2
NOW_MS = 1_790_000_000_000
TIMES = ["2026-01-01T10:00:00Z", "2026-01-01T11:00:00+01:00", "2999-01-01T00:00:00Z", "yesterday", None]
HEADERS = [(), (("trace", b"7"),), (("x-brand-id", b"acme"),), (("ce_id", b"2"), ("ce_type", b"order.cancelled"))]

ids = st.sampled_from(["ada", "bob", "eve"])
items = st.fixed_dictionaries(
    {"product_id": st.sampled_from(["tea", "cup", "pot", "tea\x7f", 7])},
    optional={"price": st.sampled_from([1.5, 2, "3.50", -1, None]), "quantity": st.sampled_from([1, 2.5, 0])},
)
events = st.fixed_dictionaries(
    {"profile_id": ids | st.sampled_from(["", 7]), "items": st.lists(items, max_size=3)},
    optional={
        "occurred_at": st.sampled_from(TIMES),
        "event_id": st.sampled_from(["o-1", "o-2", "o-3", ""]),
        "brand_id": st.sampled_from(["acme", None]),
        "event_type": st.sampled_from(["purchase", "refund"]),
        "status": st.sampled_from(["cancelled", "paid"]),
    },
)
plain_events = st.fixed_dictionaries(
    {
        "profile_id": ids,
        "occurred_at": st.just(TIMES[0]),
        "items": st.lists(st.sampled_from(["tea", "cup", "pot"]), min_size=1, max_size=3, unique=True).map(
            lambda names: [{"product_id": name} for name in names]
        ),
        "event_id": st.sampled_from(["o-1", "o-2", "o-3", "o-4", "o-5", ""]),
    }
)
values = (plain_events | events).map(lambda event: json.dumps(event).encode()) | st.sampled_from([None, b"", b"{"])
records = st.tuples(
    st.integers(0, PARTITIONS - 1),  # partition
    st.integers(-2, 2),  # how far the offset is from the next one: read again, in order or behind a hole
    st.sampled_from([b"ada", b"bob", None]),
    values,
    st.sampled_from(HEADERS),
    st.sampled_from([False] * 9 + [True]),
)


class Careful(PurchaseDecoder):
    """Takes nothing for plain."""

    __slots__ = ()

    def decode_plain(self, values, now_s):  # noqa: ARG002 - the moment does not matter
        return PurchaseColumns(), list(range(len(values)))


class Letters:
    def __init__(self):
        self.kept = []

    def deliver(self, letters):
        self.kept += letters


def outcome(folder, decoder, batches):
    """All that a service shows of these batches."""
    store, letters, metrics, said = Store(folder / "a.db", dedupe_window_events=3), Letters(), Metrics(), []
    applied = []
    for partition in range(PARTITIONS):
        store.open_log("cluster", "purchases", "id", partition)
    ingest = Ingest(
        store=store,
        decoder=decoder,
        dead_letters=letters,
        partition_count=PARTITIONS,
        metrics=metrics,
        on_applied=lambda batch: applied.append({name: repr(getattr(batch, name)) for name in batch.__slots__}),
        odd=OddEvents(say=lambda event, **words: said.append((event, words))),
    )
    for batch in batches:
        ingest.take(batch)
    counts = [
        (sample.name, sample.labels, sample.value)
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name in ("alsobought_events_total", "alsobought_skipped_events_total")
    ]
    store.close()
    return read_state(folder / "a.db"), letters.kept, counts, said, applied


def as_read(batches):
    nexts = [0] * PARTITIONS
    read = []
    for batch in batches:
        read.append([])
        for partition, ahead, key, value, headers, unreadable in batch:
            offset = max(nexts[partition] + ahead, 0)
            nexts[partition] = max(nexts[partition], offset + 1)
            read[-1].append(
                Record(
                    "purchases",
                    partition,
                    offset,
                    key,
                    value,
                    headers,
                    NOW_MS,
                    headers_unreadable=unreadable,
                )
            )
    return read


@settings(deadline=None)
@given(st.lists(st.lists(records, min_size=1, max_size=12), max_size=3))
def test_columns_come_to_the_same_as_one_by_one(batches):
    read = as_read(batches)
    with TemporaryDirectory() as fast, TemporaryDirectory() as careful:
        in_columns = outcome(Path(fast), PurchaseDecoder(max_future_s=86_400), read)
        one_by_one = outcome(Path(careful), Careful(max_future_s=86_400), read)

    assert in_columns == one_by_one
