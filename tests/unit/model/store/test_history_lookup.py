"""Whatever is applied, forgotten, folded, given away or begun anew, histories out of memory are those of the file."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.writer import Store

PARTITIONS = (0, 1)
TOPICS = ("id-1", "id-2")
PROFILES = ["ada", "bob", "eve", "nobody"]
KEPT = 64 * 2 * 300  # bytes: a few customers of a part, so that some fall out

profiles = st.sampled_from(PROFILES[:3])
purchases = st.builds(
    lambda profile, product, event: Purchase(profile, "", 1000, (product,), (1.5,), event),
    profiles,
    st.sampled_from("abcdef"),
    st.sampled_from(["", "1", "2", "3"]),
)
changes = st.none() | st.builds(Forget, profiles, st.sampled_from(["", *PROFILES])) | purchases | purchases
batches = st.lists(st.tuples(st.sampled_from(PARTITIONS), changes), min_size=1, max_size=6)


class CachedAndNot(RuleBasedStateMachine):
    """Two stores that are told the same, one of which keeps nothing in memory."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.topic = TOPICS[0]
        self.stores = []
        self.open_both()
        for partition in PARTITIONS:
            self.open_log(partition, restart=False)

    def open_both(self):
        self.open = set()
        self.stores = [
            Store(Path(self.folder.name) / f"{kept}.db", fold_every_events=5, history_cache_bytes=kept)
            for kept in (KEPT, 0)
        ]

    @rule(batch=batches)
    def records_come(self, batch):
        nexts = {partition: self.stores[0].next_offset(partition) for partition in self.open}
        records = []
        for partition, change in batch:
            if partition in self.open:
                records.append(LogRecord(partition, nexts[partition], change))
                nexts[partition] += 1
        for store in self.stores:
            store.apply(records)

    @rule(asked=st.lists(st.sampled_from(PROFILES), min_size=1, max_size=6))
    def some_are_asked_for(self, asked):
        kept, read = (store.histories(asked) for store in self.stores)

        assert kept.customers.tolist() == read.customers.tolist()
        assert kept.starts.tolist() == read.starts.tolist()
        assert kept.products.tolist() == read.products.tolist()
        assert kept.times.tolist() == read.times.tolist()

    @rule()
    def the_tail_is_folded(self):
        for store in self.stores:
            store.fold()

    @rule(partition=st.sampled_from(PARTITIONS))
    def a_partition_is_given_away(self, partition):
        self.open.discard(partition)
        for store in self.stores:
            store.close_log(partition)

    @rule(partition=st.sampled_from(PARTITIONS), restart=st.booleans())
    def open_log(self, partition, restart):
        self.open.add(partition)
        for store in self.stores:
            store.open_log("cluster", "purchases", self.topic, partition, restart=restart)

    @rule(topic=st.sampled_from(TOPICS))
    def another_topic_is_read(self, topic):
        self.topic = topic
        for store in self.stores:
            store.use_topic("cluster", "purchases", topic)

    @rule(killed=st.booleans())
    def the_process_begins_anew(self, killed):
        for store in self.stores:
            if killed:
                store._db.close()
            else:
                store.close()
        opened = self.open
        self.open_both()
        for partition in opened:
            self.open_log(partition, restart=False)

    @precondition(lambda self: hasattr(self, "stores"))
    @invariant()
    def everybody_reads_the_same(self):
        self.some_are_asked_for(PROFILES)

    def teardown(self):
        for store in getattr(self, "stores", ()):
            store._db.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestCachedAndNot = CachedAndNot.TestCase
TestCachedAndNot.settings = settings(
    max_examples=25, stateful_step_count=16, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "alsobought.db")
    store.open_log("cluster", "purchases", "id-1", 0)
    yield store
    store.close()


def test_who_was_asked_for_is_not_read_again_until_a_batch_names_them(store):
    statements = []
    store.apply(
        [LogRecord(0, at, Purchase(name, "", 1000, ("tea",), (1.5,))) for at, name in enumerate(["ada", "bob"])]
    )
    store.histories(["ada", "bob"])
    store._db.set_trace_callback(statements.append)
    store.histories(["bob", "ada"])
    read_again = len(statements)
    store.apply([LogRecord(0, 2, Purchase("ada", "", 1001, ("cup",), (1.5,)))])
    statements.clear()
    histories = store.histories(["bob", "ada"])

    assert read_again == 0
    assert len(statements) == 1
    assert '"ada"' in statements[0]
    assert '"bob"' not in statements[0]
    assert histories.starts.tolist() == [0, 1, 3]


def test_nothing_of_a_forgotten_customer_is_left_in_memory(store):
    store.apply([LogRecord(0, 0, Purchase("ada", "", 1000, ("tea",), (1.5,)))])
    store.apply([LogRecord(0, 1, Purchase("also-ada", "", 1000, ("cup",), (1.5,)))])
    store.histories(["ada", "also-ada"])
    store.apply([LogRecord(0, 2, Forget("ada", "also-ada"))])

    assert store._histories._cache.used_bytes == 0
    assert store.histories(["ada", "also-ada"]).customers.tolist() == [0, 0]


def test_partitions_given_away_given_back_and_begun_anew_are_answered_from_as_they_are_now(store):
    store.apply([LogRecord(0, 0, Purchase("ada", "", 1000, ("tea",), (1.5,)))])

    def lines():
        return len(store.histories(["ada"]).products)

    assert lines() == 1
    store.close_log(0)
    assert lines() == 0
    store.open_log("cluster", "purchases", "id-1", 0)
    assert lines() == 1
    store.open_log("cluster", "purchases", "id-1", 0, restart=True)
    assert lines() == 0
