"""Who bought last, and what has changed since somebody last looked."""

import numpy as np

from model.purchases.histories import Histories
from model.signals.recent_buyers import RecentBuyers


def histories(*customers):
    """Each customer is (number, times)."""
    return Histories(
        np.array([number for number, _ in customers], np.uint32),
        np.concatenate(([0], np.cumsum([len(times) for _, times in customers]))).astype(np.int64),
        np.ones(sum(len(times) for _, times in customers), np.uint32),
        np.array([time for _, times in customers for time in times], np.uint32),
    )


def test_the_last_changed_comes_first_and_once():
    buyers = RecentBuyers()
    buyers.changed([1, 2, 3, 2])

    assert buyers.since(0) == [2, 3, 1]


def test_who_looked_before_sees_only_what_has_changed_since():
    buyers = RecentBuyers()
    buyers.changed([1, 2, 3])
    seen = buyers.changes
    buyers.changed([1])

    assert buyers.since(seen) == [1]
    assert buyers.since(buyers.changes) == []


def test_only_the_last_ones_are_kept():
    buyers = RecentBuyers(most=2)
    buyers.changed([1, 2, 3])

    assert buyers.since(0) == [3, 2]


def test_of_histories_those_with_the_newest_purchases_are_taken():
    buyers = RecentBuyers(most=2)
    buyers.load(histories((4, [10, 90]), (5, [20]), (6, []), (7, [50])))

    assert buyers.since(0) == [4, 7]


def test_loading_voids_what_was_known():
    buyers = RecentBuyers()
    buyers.changed([1])
    seen = buyers.changes
    buyers.load(histories((2, [1])))

    assert seen < buyers.loaded_at
    assert buyers.since(0) == [2]


def test_nothing_bought_is_nobody():
    buyers = RecentBuyers()
    buyers.load(histories())

    assert buyers.since(0) == []
