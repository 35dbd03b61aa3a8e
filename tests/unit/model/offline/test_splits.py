"""Splits: what is learnt from is older than what is tested, and newer windows stay unseen."""

import numpy as np
import pytest

from model.offline.splits import Cut, between, sampled, split
from model.purchases.histories import Histories, of_customers

DAY_S = 86_400


def histories(*customers):
    """Each customer is a list of (product, day)."""
    return Histories(
        np.arange(1, len(customers) + 1, dtype=np.uint32),
        np.concatenate(([0], np.cumsum([len(lines) for lines in customers]))).astype(np.int64),
        np.array([product for lines in customers for product, _ in lines], np.uint32),
        np.array([1_000_000 + day * DAY_S for lines in customers for _, day in lines], np.uint32),
    )


def test_the_last_days_are_tested_and_what_is_older_is_learnt_from():
    found = split(histories([(1, 0), (2, 50)], [(3, 10)]), Cut(days=30))

    assert found.train.products.tolist() == [1, 3]
    assert found.truth.customers.tolist() == [0]
    assert found.truth.products.tolist() == [2]


def test_an_older_window_sees_nothing_that_is_newer():
    found = split(histories([(1, 0), (2, 50), (3, 80)]), Cut(days=30), window=1)

    assert found.train.products.tolist() == [1]
    assert found.truth.products.tolist() == [2]


def test_what_the_customer_had_bought_before_is_tested_only_when_repeats_count():
    bought = histories([(1, 0), (1, 50), (2, 50)])

    assert split(bought, Cut(days=30)).truth.products.tolist() == [2]
    assert split(bought, Cut(days=30, repeat=True)).truth.products.tolist() == [1, 2]


def test_the_last_order_of_each_customer_is_tested():
    bought = histories([(1, 0), (2, 9), (3, 9)], [(4, 30), (5, 40)], [(6, 7)])
    found = split(bought, Cut(days=None))

    assert found.truth.customers.tolist() == [0, 1]
    assert found.truth.products.tolist() == [2, 3, 5]
    assert found.train.customers.tolist() == [1, 2]


def test_customers_without_a_past_are_counted_and_not_tested():
    found = split(histories([(1, 0)], [(2, 59)]), Cut(days=30))

    assert found.unknown_customers == 1
    assert len(found.truth.customers) == 0


def test_windows_without_anybody_to_test_are_left_out():
    assert Cut(days=30).windows(histories([(1, 0), (2, 50)]), 0, 3)[1:] == []


def test_a_span_of_time_is_tested_up_to_its_end():
    bought = histories([(1, 0), (2, 5), (3, 9)])
    found = between(bought, 1_000_000 + 2 * DAY_S, 1_000_000 + 6 * DAY_S)

    assert found.truth.products.tolist() == [2]


def test_histories_of_some_customers_keep_the_order_asked_for():
    found = of_customers(histories([(1, 0)], [(2, 0), (3, 1)], [(4, 0)]), np.array([1, 0]))

    assert found.customers.tolist() == [2, 1]
    assert found.products.tolist() == [2, 3, 1]


def test_a_sample_keeps_each_customers_products_together():
    truth = split(histories(*[[(1, 0), (10 + i, 50), (30 + i, 50)] for i in range(9)]), Cut(days=30)).truth
    found = sampled(truth, 4, seed=1)

    assert len(found.customers) == 4
    assert found.products.tolist() == [p for i in found.customers.tolist() for p in (10 + i, 30 + i)]


@pytest.mark.parametrize("later_days", [45, 400])
def test_a_lone_order_long_after_all_others_is_no_window_of_its_own(later_days):
    shop = [[(1 + i, day), (2 + i, day + 70)] for i in range(40) for day in (0, 10, 20)]
    alone, without = split(histories(*shop, [(1, 90 + later_days)]), Cut(30)), split(histories(*shop), Cut(30))

    assert len(alone.truth.customers) == len(without.truth.customers) > 0


def test_a_shop_that_always_sells_little_is_tested_up_to_its_newest_order():
    found = split(histories(*[[(1, 40 * i), (2, 40 * i + 35)] for i in range(9)]), Cut(30))

    assert found.truth.sizes().tolist() == [1]
