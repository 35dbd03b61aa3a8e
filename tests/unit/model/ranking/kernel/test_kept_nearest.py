"""Lists of neighbours that are kept and repaired: after whatever happened, what comparing with all slots finds."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from model.purchases.histories import DAY_S
from model.ranking.kernel.nearest_search import NearestSearch
from model.ranking.kernel.tables import Lent
from model.signals.neighbours import FirstPurchases, NeighbourParameters, Neighbours

DIMENSION, ITEMS, DAYS = 4, 5, 30
ALIKE = 1e-6
CUSTOMERS = st.integers(1, 40)


def point(seed):
    return np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)


class Shop:
    """Neighbours, and the search under test beside the reference."""

    def __init__(self, *, nearest=5, most=24, places=7, width=9):
        self.neighbours = Neighbours(
            np.zeros(DIMENSION, np.float32), ITEMS, NeighbourParameters(nearest=nearest, days=DAYS, most=most)
        )
        self.search = NearestSearch(places=places, width=width, least_slots=1)
        self.now_s = 100 * DAY_S
        self.neighbours.begin(self.now_s)

    def put(self, customers, seeds):
        n = len(customers)
        bought = FirstPurchases(np.arange(n + 1), np.zeros(n, np.int64), np.full(n, self.now_s, np.int64))
        self.neighbours.put(np.array(customers), np.stack([point(seed) for seed in seeds]), bought)

    def asked(self, customers, seeds):
        """Slots and weights as found, and those that comparing with all finds."""
        customers = np.array(customers, np.int64)
        points = np.stack([point(seed) for seed in seeds])
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        arrays, count = self.neighbours.arrays(), min(self.neighbours.parameters.nearest + 1, len(self.neighbours))
        slots, weights = np.full((len(customers), count), -9, np.int32), np.full((len(customers), count), np.nan)
        if count:
            passed, places = np.zeros(len(arrays.points), np.float32), np.zeros(len(arrays.points), np.int32)
            own = np.array(self.neighbours.slots_of(customers.tolist()), np.int64)
            self.search.find(
                customers, points, own, arrays, count, Lent(places, passed, passed, places), slots, weights
            )
        expected_weights, expected_slots = self.neighbours.nearest(customers, points)
        return slots, weights, expected_slots, expected_weights

    def check(self, customers, seeds):
        slots, weights, expected_slots, expected_weights = self.asked(customers, seeds)
        assert weights.shape == expected_weights.shape
        for i in range(len(customers)):
            by_slot = dict(zip(expected_slots[i].tolist(), expected_weights[i].tolist(), strict=True))
            assert np.sort(weights[i]) == pytest.approx(np.sort(expected_weights[i]), abs=ALIKE)
            found = {s: w for s, w in zip(slots[i].tolist(), weights[i].tolist(), strict=True) if w > 0}
            assert len(found) == (weights[i] > 0).sum()  # no slot stands there twice
            last = min((w for w in by_slot.values() if w > 0), default=0.0)
            for slot, weight in found.items():  # another one only where it ties with the last
                assert weight == pytest.approx(by_slot.get(slot, last), abs=ALIKE)


class WhateverHappens(RuleBasedStateMachine):
    """Few places, short lists and few slots: collisions, lists that run short and slots of others come often."""

    asked = Bundle("asked")

    def __init__(self):
        super().__init__()
        self.shop = Shop()

    @rule(customers=st.lists(CUSTOMERS, min_size=1, max_size=12, unique=True), seed=st.integers(0, 9))
    def put(self, customers, seed):
        self.shop.put(customers, [100 * seed + customer for customer in customers])

    @rule(customer=CUSTOMERS)
    def remove(self, customer):
        self.shop.neighbours.remove(customer)

    @rule(days=st.sampled_from((1, DAYS - 1, DAYS + 1)))
    def begin_a_day(self, days):
        self.shop.now_s += days * DAY_S
        self.shop.neighbours.begin(self.shop.now_s)

    @rule()
    def clear(self):
        self.shop.neighbours.clear()
        self.shop.neighbours.begin(self.shop.now_s)

    @rule(target=asked, customers=st.lists(st.integers(0, 40), min_size=1, max_size=8), seed=st.integers(0, 5))
    def ask(self, customers, seed):
        batch = customers, [seed] * len(customers)
        self.shop.check(*batch)
        return batch

    @rule(batch=asked)
    def ask_again(self, batch):
        self.shop.check(*batch)

    @invariant()
    def nobody_has_no_list(self):
        kept = self.shop.search._kept
        assert ((kept.sizes == 0) | (kept.customers > 0)).all()


WhateverHappens.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
test_whatever_happens = WhateverHappens.TestCase


def test_a_walk_through_a_larger_shop_finds_what_comparing_with_all_finds():
    shop, random = Shop(nearest=20, most=300, places=64, width=30), np.random.default_rng(5)
    shop.put(range(1, 301), range(301))
    for step in range(150):
        changed = random.integers(1, 400, random.integers(0, 12))
        if len(changed):
            shop.put(np.unique(changed), step * 1000 + np.unique(changed))
        customers = random.integers(0, 80, 16)
        shop.check(customers, customers + 10_000 * (random.random(16) < 0.1))


def compared(shop, monkeypatch):
    """How many customers each later `find` compares with all slots."""
    counted = Counter()
    divided = shop.search._repaired

    def counting(*given):
        others = divided(*given)
        counted["all"] += len(others)
        return others

    monkeypatch.setattr(shop.search, "_repaired", counting)
    return counted


@pytest.mark.parametrize(
    ("between", "again", "all_slots"),
    [
        pytest.param(lambda _: None, ([3], [7]), 0, id="nothing changed"),
        pytest.param(lambda shop: shop.put([50], [7]), ([3], [7]), 0, id="somebody came, at the same point"),
        pytest.param(lambda shop: shop.neighbours.remove(4), ([3], [7]), 0, id="somebody went"),
        pytest.param(lambda _: None, ([3], [8]), 1, id="another point"),
        pytest.param(lambda shop: shop.check([67], [7]), ([3], [7]), 1, id="another customer took the place"),
        pytest.param(lambda shop: shop.put(range(1, 41), range(500, 540)), ([3], [7]), 1, id="too much changed"),
        pytest.param(lambda shop: shop.neighbours.clear(), ([3], [7]), 1, id="all forgotten"),
    ],
)
def test_all_slots_are_looked_at_only_where_a_list_does_not_do(between, again, all_slots, monkeypatch):
    shop = Shop(nearest=5, most=100, places=64, width=12)
    shop.put(range(1, 101), range(100))
    shop.check([3], [7])
    between(shop)
    if not len(shop.neighbours):
        shop.neighbours.begin(shop.now_s)
        shop.put(range(1, 101), range(100, 200))
    counted = compared(shop, monkeypatch)

    shop.check(*again)

    assert counted["all"] == all_slots


def test_a_list_that_runs_short_is_made_again(monkeypatch):
    shop = Shop(nearest=5, most=100, places=64, width=7)
    shop.put(range(1, 101), range(100))
    slots, weights, *_ = shop.asked([200], [7])
    customer_of = {slot: customer for customer, slot in shop.neighbours._slot_of.items()}
    for slot in slots[0, np.argsort(-weights[0])[:3]].tolist():
        shop.neighbours.remove(customer_of[slot])
    counted = compared(shop, monkeypatch)

    shop.check([200], [7])
    shop.check([200], [7])

    assert counted["all"] == 1  # the second time a whole list is there


def test_the_unknown_customer_has_no_list(monkeypatch):
    shop = Shop()
    shop.put(range(1, 21), range(20))
    counted = compared(shop, monkeypatch)

    shop.check([0], [7])
    shop.check([0], [7])

    assert counted["all"] == 2
