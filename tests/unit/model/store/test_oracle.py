"""Whatever comes in whichever batches, repeated, forgotten, folded or cut off, the store equals a few plain lists."""

import math
import tempfile
from collections import deque
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.reader import read_contents
from model.store.writer import Store

WINDOW = 4
PARTITIONS = (0, 1)
PROFILES = ["ada", "bob", "eve"]

profiles = st.sampled_from(PROFILES)
purchases = st.builds(
    Purchase,
    profile=profiles,
    brand=st.sampled_from(["", "acme"]),
    time_s=st.integers(0, 2**32 - 1),
    products=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True).map(tuple),
    prices=st.sampled_from([(1.5,), (2.5,), (math.nan,)]),
    event_id=st.sampled_from(["", "1", "2", "3", "4", "5", "6", "7"]),
).map(lambda p: Purchase(p.profile, p.brand, p.time_s, p.products, p.prices * len(p.products), p.event_id))
changes = st.none() | st.builds(Forget, profiles, st.sampled_from(["", *PROFILES])) | purchases | purchases | purchases
batches = st.lists(st.tuples(st.sampled_from(PARTITIONS), changes), min_size=1, max_size=8)


class Oracle:
    """What the store promises, in the plainest words."""

    def __init__(self):
        self.next = dict.fromkeys(PARTITIONS, 0)
        self.bought = {(profile, partition): [] for profile in PROFILES for partition in PARTITIONS}
        self.events = {partition: deque(maxlen=WINDOW) for partition in PARTITIONS}

    def apply(self, records):
        for record in records:
            partition, offset, change = record.partition, record.offset, record.change
            if offset < self.next[partition]:
                continue
            self.next[partition] = offset + 1
            if isinstance(change, Forget):
                for key in self.bought:
                    if key[0] in (change.profile, change.also):
                        self.bought[key] = []
            elif change is not None and self._is_new(partition, change):
                lines = [(change.brand, product, change.time_s) for product in change.products]
                self.bought[change.profile, partition] += lines

    def _is_new(self, partition, change):
        event = (change.brand, change.event_id)
        if change.event_id and event in self.events[partition]:
            return False
        if change.event_id:
            self.events[partition].append(event)
        return True

    def history(self, profile):
        return [line for partition in PARTITIONS for line in self.bought[profile, partition]]


class StoreAgainstOracle(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.small = patch.multiple("model.store.folding", _PART_EVENTS=3, _DIVIDED_TOGETHER=1, _PRICES_TOGETHER=2)
        self.small.start()
        self.path = Path(self.folder.name) / "alsobought.db"
        self.oracle = Oracle()
        self.log = {partition: [] for partition in PARTITIONS}
        self.open()

    def open(self):
        self.store = Store(self.path, fold_every_events=7, dedupe_window_events=WINDOW, customers_in_memory=1)
        for partition in PARTITIONS:
            self.store.open_log("cluster", "purchases", "id", partition)

    @rule(batch=batches)
    def new_records_come(self, batch):
        records = []
        for partition, change in batch:
            record = LogRecord(partition, len(self.log[partition]) * 2, change)  # every other offset is a gap
            self.log[partition].append(record)
            records.append(record)
        self.store.apply(records)
        self.oracle.apply(records)

    @rule(partition=st.sampled_from(PARTITIONS), back=st.integers(1, 12))
    def records_are_read_again(self, partition, back):
        records = self.log[partition][-back:]
        self.store.apply(records)
        self.oracle.apply(records)

    @rule()
    def the_tail_is_folded(self):
        self.store.fold()

    @rule()
    def the_process_is_killed(self):
        prices = self.prices()
        self.store._db.close()
        self.open()

        assert self.prices() == prices

    @rule()
    def the_service_is_restarted(self):
        self.store.close()
        self.open()

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def next_offsets_agree(self):
        assert {partition: self.store.next_offset(partition) for partition in PARTITIONS} == self.oracle.next

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def histories_agree(self):
        histories = self.store.histories(PROFILES)

        assert self.lines(histories, self.store.products()) == [self.oracle.history(name) for name in PROFILES]

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def histories_by_number_agree(self):
        histories = self.store.histories_of(range(1, self.store._last_customer + 1))

        assert sorted(self.lines(histories, self.store.products())) == sorted(filter(None, self.oracle.bought.values()))

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def the_reader_agrees(self):
        contents = read_contents(self.path)
        expected = [lines for lines in self.oracle.bought.values() if lines]

        assert contents.watermark.offsets == self.oracle.next
        assert sorted(self.lines(contents.histories, contents.products)) == sorted(expected)
        assert [product.price for product in contents.products] == self.prices()

    def prices(self):
        return [self.store.price_of(number) for number in range(len(self.store.products()))]

    @staticmethod
    def lines(histories, products):
        named = [
            (products[number].brand, products[number].product_id, time_s)
            for number, time_s in zip(histories.products.tolist(), histories.times.tolist(), strict=True)
        ]
        bounds = histories.starts.tolist()
        return [named[start:end] for start, end in pairwise(bounds)]

    def teardown(self):
        if hasattr(self, "store"):
            self.store._db.close()
            self.small.stop()
            self.folder.cleanup()


TestStoreAgainstOracle = StoreAgainstOracle.TestCase
TestStoreAgainstOracle.settings = settings(
    max_examples=20, stateful_step_count=16, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
