"""Neighbours: who is near, what they newly bought, and how a purchase changes it without any training."""

import numpy as np
import pytest

from model.purchases.histories import Histories
from model.signals.neighbours import FirstPurchases, NeighbourParameters, Neighbours, first_purchases

DAY_S = 86_400
NOW_S = 100 * DAY_S
EAST, WEST = np.array([1.0, 0.0], np.float32), np.array([-1.0, 0.0], np.float32)


def firsts(*customers):
    """Each customer is a list of (row, days ago)."""
    return FirstPurchases(
        np.concatenate(([0], np.cumsum([len(lines) for lines in customers]))).astype(np.int64),
        np.array([row for lines in customers for row, _ in lines], np.int64),
        np.array([NOW_S - ago * DAY_S for lines in customers for _, ago in lines], np.int64),
    )


def neighbours(**parameters):
    made = Neighbours(np.zeros(2, np.float32), 10, NeighbourParameters(**parameters))
    made.begin(NOW_S)
    return made


def votes(made, customer, vector):
    weights, slots = made.nearest(np.array([customer]), vector[None])
    _, rows, counts = made.purchases_of(weights, slots)
    return np.bincount(rows, counts, minlength=10)


def test_what_the_nearest_bought_counts_and_what_others_bought_does_not():
    made = neighbours()
    made.put(np.array([1, 2]), np.stack((EAST, WEST)), firsts([(3, 0)], [(4, 0)]))

    found = votes(made, 9, EAST)

    assert found[3] == pytest.approx(1.0)
    assert found[4] == 0


def test_a_customer_is_no_neighbour_of_itself():
    made = neighbours()
    made.put(np.array([1]), EAST[None], firsts([(3, 0)]))

    assert votes(made, 1, EAST).sum() == 0


def test_older_purchases_count_less():
    made = neighbours(decay_days=15)
    made.put(np.array([1]), EAST[None], firsts([(3, 15), (4, 0)]))

    found = votes(made, 9, EAST)

    assert found[3] == pytest.approx(found[4] / np.e)


def test_putting_a_customer_again_replaces_what_was_known():
    made = neighbours()
    made.put(np.array([1]), EAST[None], firsts([(3, 0)]))
    made.put(np.array([1]), EAST[None], firsts([(5, 0)]))

    assert len(made) == 1
    assert np.flatnonzero(votes(made, 9, EAST)).tolist() == [5]
    assert made.everyones(np.array([3, 5])) == pytest.approx([0, 1])


def test_purchases_are_forgotten_when_they_are_too_old():
    made = neighbours(days=30)
    made.put(np.array([1, 2]), np.stack((EAST, EAST)), firsts([(3, 29)], [(4, 29), (5, 0)]))
    made.begin(NOW_S + 5 * DAY_S)

    assert len(made) == 1
    assert np.flatnonzero(votes(made, 9, EAST)).tolist() == [5]


def test_a_free_place_is_used_again():
    made = neighbours()
    made.put(np.array([1, 2]), np.stack((EAST, WEST)), firsts([(3, 0)], [(4, 0)]))
    made.remove(1)
    made.put(np.array([3]), EAST[None], firsts([(6, 0)]))

    assert len(made) == 2
    assert np.flatnonzero(votes(made, 9, EAST)).tolist() == [6]


def test_a_full_index_keeps_those_who_bought_last():
    made = neighbours(most=2)
    made.put(np.array([1, 2, 3]), np.stack((EAST, EAST, EAST)), firsts([(3, 9)], [(4, 1)], [(5, 0)]))

    assert np.flatnonzero(votes(made, 9, EAST)).tolist() == [4, 5]


def test_an_empty_index_has_no_votes():
    assert votes(neighbours(), 9, EAST).sum() == 0


def test_only_the_first_purchase_of_a_product_is_new():
    bought = Histories(
        np.array([1], np.uint32),
        np.array([0, 4], np.int64),
        np.array([1, 2, 1, 7], np.uint32),
        np.array([10, 50, 60, 70], np.uint32),
    )

    found = first_purchases(bought, np.array([-1, 0, 1]), since_s=40)

    assert found.rows.tolist() == [1]
    assert found.times.tolist() == [50]


def test_a_purchase_after_now_counts_as_one_of_now_until_its_day_has_come():
    made = neighbours()
    made.put(np.array([1, 2]), np.stack((EAST, EAST)), firsts([(3, -20)], [(4, 1)]))
    before = votes(made, 9, EAST)
    made.begin(NOW_S + 20 * DAY_S)
    fresh = neighbours()
    fresh.begin(NOW_S + 20 * DAY_S)
    fresh.put(np.array([1, 2]), np.stack((EAST, EAST)), firsts([(3, -20)], [(4, 1)]))

    assert before[3] == pytest.approx(0.5)
    assert votes(made, 9, EAST) == pytest.approx(votes(fresh, 9, EAST))
    assert made.everyones(np.arange(10)) == pytest.approx(fresh.everyones(np.arange(10)))


def test_the_fewer_customers_there_are_the_less_they_decide():
    made = neighbours(nearest=2)
    nobody = made.share_of_enough()
    made.put(np.array([1]), EAST[None], firsts([(3, 0)]))

    assert (nobody, made.share_of_enough()) == (0.0, 0.5)


def test_arrays_say_which_points_changed_since_they_were_looked_at():
    made = neighbours()
    made.put(np.array([1, 2, 3]), np.stack((EAST, WEST, EAST)), firsts([(3, 0)], [(4, 0)], [(5, 0)]))
    seen = made.arrays().changes

    made.put(np.array([2]), EAST[None], firsts([(4, 0)]))
    made.remove(3)

    now = made.arrays()
    assert np.flatnonzero(now.changed_at > seen).tolist() == [*made.slots_of([2]), 2]
    assert now.changes == now.changed_at.max()


def test_forgetting_everybody_counts_as_a_change_of_every_slot():
    made = neighbours(most=50)
    made.put(np.array([1]), EAST[None], firsts([(3, 0)]))
    seen = made.arrays().changes

    made.clear()

    assert made.arrays().changes >= seen + 50
