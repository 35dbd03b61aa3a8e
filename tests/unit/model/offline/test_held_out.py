"""What is left out of a training: the newest lines, never one that is learnt, and never too much."""

import numpy as np
import pytest

from model.offline.held_out import hold_out
from model.purchases.histories import Histories, lines_of_customers
from tests.builders.judged_shop import DAY_S, bought

NOTHING = np.zeros(0, np.uint32)


@pytest.fixture(scope="module")
def histories():
    return bought().histories


def test_the_newest_lines_are_left_out_and_the_others_kept(histories):
    held = hold_out(histories, NOTHING, 50, least=30)

    left_out = histories.times > held.since_s
    assert held.lines == np.count_nonzero(left_out)
    assert held.kept.times.max() <= held.since_s
    assert len(held.kept.products) + held.lines == len(histories.products)


def test_as_many_customers_are_tested_as_were_asked_for(histories):
    assert len(hold_out(histories, NOTHING, 50, least=30).truth.customers) == 50


def test_at_most_a_tenth_of_the_lines_is_left_out():
    histories = bought(60 * 6).histories
    few_orders = bought(150).histories

    assert hold_out(few_orders, NOTHING, 100_000, least=30).lines <= 0.1 * len(few_orders.products)
    assert hold_out(histories, NOTHING, 100_000, least=30).lines <= 0.1 * len(histories.products)


def test_more_than_a_day_is_left_out_only_for_the_first_hundred_customers(histories):
    """Here 86 customers buy on a day."""
    held = hold_out(histories, NOTHING, 100_000, least=30)

    assert 95 <= len(held.truth.customers) <= 101
    assert histories.times.max() - held.since_s > DAY_S


def test_what_was_bought_after_the_cut_is_the_truth(histories):
    held = hold_out(histories, NOTHING, 50, least=30)
    first = held.known.customers[held.truth.customers[0]] - 1

    mine = slice(histories.starts[first], histories.starts[first + 1])
    later = histories.products[mine][histories.times[mine] > held.since_s]
    assert held.truth.products[: held.truth.starts[1]].tolist() == sorted(later.tolist())


def test_too_few_customers_are_no_test():
    assert hold_out(bought(60).histories, NOTHING, 50, least=30) is None
    assert hold_out(bought().histories, NOTHING, 29, least=30) is None
    assert hold_out(bought(0, 0).histories, NOTHING, 50, least=30) is None


def test_lines_that_a_model_has_learnt_are_never_left_out():
    before, now = bought().histories, bought(more_orders=1).histories
    learnt = lines_of_customers(before)

    held = hold_out(now, learnt, 100_000, least=30)

    kept = dict(zip(held.kept.customers.tolist(), np.diff(held.kept.starts).tolist(), strict=True))
    assert all(kept[customer] >= lines for customer, lines in enumerate(learnt.tolist()) if lines)
    assert held.lines <= 0.75 * (len(now.products) - len(before.products))


def test_nothing_new_leaves_nothing_to_judge_with(histories):
    assert hold_out(histories, lines_of_customers(histories), 50, least=30) is None


def test_of_a_customer_all_lines_from_some_line_on_are_left_out():
    """An old order that arrives late stays behind what had arrived before it."""
    histories = bought().histories
    times = histories.times.copy()
    times[histories.starts[1:] - 4] = times.max()  # the third order claims to be the newest, the last one is older
    held = hold_out(Histories(histories.customers, histories.starts, histories.products, times), NOTHING, 50, least=30)

    sizes = np.diff(held.kept.starts)
    for customer, size in zip(held.kept.customers - 1, sizes, strict=True):
        start = histories.starts[customer]
        np.testing.assert_array_equal(
            held.kept.products[np.sum(sizes[:customer]) :][:size], histories.products[start : start + size]
        )


def test_only_the_judged_lines_count_for_the_test():
    histories = bought().histories
    odd = histories.products % 2 == 1

    held = hold_out(histories, NOTHING, 50, least=30, judged=odd)

    assert set((held.truth.products % 2).tolist()) == {1}
    assert set((held.known.products % 2).tolist()) == {1}
    assert set((held.kept.products % 2).tolist()) == {0, 1}
