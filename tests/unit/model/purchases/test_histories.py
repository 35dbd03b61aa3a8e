import numpy as np
import pytest

from model.purchases.histories import Histories, distinct, in_parts, in_time_order, not_yet_learnt, order_ranks


def histories(*customers):
    """One list of (product, time) for each customer, numbered 1, 2, ..."""
    lines = [line for customer in customers for line in customer]
    return Histories(
        np.arange(1, len(customers) + 1, dtype=np.uint32),
        np.cumsum([0, *map(len, customers)]).astype(np.int64),
        np.array([product for product, _ in lines], np.uint32),
        np.array([time for _, time in lines], np.uint32),
    )


def of_customer(bought, i):
    entries = slice(bought.starts[i], bought.starts[i + 1])
    return dict(zip(bought.products[entries].tolist(), bought.ranks[entries].tolist(), strict=True))


def test_lines_of_the_latest_time_are_the_latest_order():
    ranks = order_ranks(histories([(1, 10), (2, 20), (3, 20), (4, 30)], [(5, 5)]))

    assert ranks.tolist() == [2, 1, 1, 0, 0]


def test_ranks_follow_the_time_and_not_the_arrival():
    ranks = order_ranks(histories([(1, 30), (2, 10), (3, 30), (4, 20)]))

    assert ranks.tolist() == [0, 2, 0, 1]


def test_customers_without_lines_disturb_nobody():
    bought = distinct(histories([], [(7, 1), (8, 2)], [], [(9, 3)], []))

    assert [of_customer(bought, i) for i in range(5)] == [{}, {7: 1, 8: 0}, {}, {9: 0}, {}]


def test_no_lines_at_all_are_no_trouble():
    bought = distinct(histories([], []))

    assert (bought.starts.tolist(), len(bought.products)) == ([0, 0, 0], 0)


def test_a_product_bought_again_counts_once_with_its_latest_order():
    bought = distinct(histories([(1, 10), (2, 10), (1, 30)], [(1, 5)]))

    assert [of_customer(bought, i) for i in range(2)] == [{1: 0, 2: 1}, {1: 0}]


def test_time_order_keeps_the_lines_of_one_order_as_they_came():
    ordered = in_time_order(histories([(3, 20), (1, 10), (2, 20)], [(9, 1)]))

    assert ordered.products.tolist() == [1, 3, 2, 9]


def test_only_lines_after_the_learnt_position_are_new():
    learnt = np.array([0, 2, 1], np.uint32)  # by customer number: customer 1 has two lines learnt, customer 2 one

    new = not_yet_learnt(histories([(1, 10), (2, 20), (3, 5)], [(4, 1)], [(5, 9)]), learnt)

    assert (new.customers.tolist(), new.starts.tolist(), new.products.tolist()) == ([1, 3], [0, 1, 2], [3, 5])


@pytest.mark.parametrize("count", [0, 1, 16_384, 16_385, 100_000])
def test_parts_are_all_places_in_order_and_none_is_too_long(count):
    parts = in_parts(count)

    assert np.concatenate(parts).tolist() == list(range(count))
    assert max(map(len, parts)) <= 16_384
