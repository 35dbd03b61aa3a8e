"""Purchases by slot: gathered at once, however often slots were filled and emptied."""

from random import Random

import numpy as np

from model.signals.neighbour_purchases import RecentPurchases


def put(made, slot, *lines):
    """Each line is (row, time)."""
    rows, times = np.array(lines, np.int64).reshape(-1, 2).T
    made.put(slot, rows, times, np.ones(len(rows)))


def rows_in(made, *slots):
    places, sizes = made.places(np.array(slots))
    return [mine.tolist() for mine in np.split(made.rows[places], np.cumsum(sizes)[:-1])]


def test_slots_are_gathered_in_the_order_asked_for():
    made = RecentPurchases()
    put(made, 0, (7, 1), (8, 1))
    put(made, 1, (9, 1))

    assert rows_in(made, 1, 0, 1) == [[9], [7, 8], [9]]


def test_an_emptied_slot_holds_nothing_and_says_what_it_held():
    made = RecentPurchases()
    put(made, 0, (7, 1))

    rows, counts = made.drop(0)

    assert (rows.tolist(), counts.tolist(), rows_in(made, 0)) == ([7], [1.0], [[]])


def test_what_is_too_old_counts_nothing_and_leaves_no_customer_without_purchases_behind():
    made = RecentPurchases()
    put(made, 0, (7, 10), (8, 30))
    put(made, 1, (9, 10))

    rows, counts, nothing_left = made.recount(np.array([0, 1]), 20, lambda times: times / 10)

    assert (rows.tolist(), counts.tolist()) == ([7, 8, 9], [0.0, 3.0, 0.0])
    assert nothing_left.tolist() == [False, True]
    assert made.counts[made.places(np.array([0]))[0]].tolist() == [0.0, 3.0]
    assert made.newest_s(np.array([0])).tolist() == [30]


def test_packing_loses_nothing():
    chance, made, expected = Random(3), RecentPurchases(), {}
    for _ in range(5_000):
        slot = chance.randrange(700)
        if slot in expected:
            made.drop(slot)
        expected[slot] = [(chance.randrange(100), 1) for _ in range(chance.randrange(1, 9))]
        put(made, slot, *expected[slot])

    slots = sorted(expected)

    assert rows_in(made, *slots) == [[row for row, _ in expected[slot]] for slot in slots]
