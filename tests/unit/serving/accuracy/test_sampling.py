"""Live accuracy, the pure part: the allowance, the candidates of a batch, ranks and the means of the last ones."""

import math

import pytest

from model.purchases.changes import Forget, LogRecord, Purchase
from serving.accuracy.sampling import Allowance, LastCompared, candidates, reciprocal_rank


def bought(profile, product, offset, partition=0):
    return LogRecord(partition, offset, Purchase(profile, "", 1000, (product,), (1.0,)))


def everything(_purchase, _partition, _offset):
    return True


def granted(allowance, wanted, now_s):
    judged = allowance.left(wanted, now_s)
    allowance.spend(judged)
    return judged


def test_a_small_batch_is_judged_whole_while_the_allowance_lasts():
    allowance = Allowance(10)

    assert [granted(allowance, 4, 0.0) for _ in range(3)] == [4, 4, 0]


def test_a_large_batch_is_judged_once_a_second_up_to_the_allowance():
    allowance = Allowance(10)

    assert [granted(allowance, 2000, now_s) for now_s in (0.0, 0.5, 0.9, 1.0, 1.1)] == [10, 0, 0, 10, 0]


def test_what_is_saved_up_never_exceeds_one_second():
    allowance = Allowance(10)
    granted(allowance, 10, 0.0)

    assert [granted(allowance, 2000, now_s) for now_s in (3600.0, 3600.5)] == [10, 0]


def test_less_than_one_a_second_still_comes_to_its_turn():
    allowance = Allowance(0.5)

    assert [granted(allowance, 3, now_s) for now_s in (0.0, 1.0, 2.0)] == [1, 0, 1]


def test_what_could_not_be_judged_is_not_spent():
    allowance = Allowance(10)

    assert [allowance.left(2000, 0.0) for _ in range(3)] == [10, 10, 10]


def test_only_the_first_purchase_of_a_customer_in_a_batch_is_a_candidate():
    batch = [bought("ada", "tea", 0), bought("bob", "tea", 1), bought("ada", "cup", 2)]

    assert [purchase.products for purchase in candidates(batch, everything)] == [("tea",), ("tea",)]


def test_who_is_forgotten_in_a_batch_is_not_judged_by_what_was_known_before():
    batch = [LogRecord(0, 0, Forget("ada")), bought("ada", "tea", 1), LogRecord(0, 2, None)]

    assert candidates(batch, everything) == []


def test_what_is_no_news_is_no_candidate_and_neither_is_the_customers_next_order():
    batch = [bought("ada", "tea", 6, 1), bought("ada", "cup", 7, 1), bought("bob", "tea", 8, 1)]

    found = candidates(batch, lambda _purchase, partition, offset: (partition, offset) >= (1, 7))

    assert [purchase.profile for purchase in found] == ["bob"]


@pytest.mark.parametrize(
    ("shown", "bought", "rank"),
    [([7, 8, 9], {7, 9}, 1.0), ([7, 8, 9], {9}, 1 / 3), ([7, 8, 9], {1}, 0.0), ([], {1}, 0.0), ([7], set(), 0.0)],
)
def test_the_first_product_that_was_bought_gives_the_rank(shown, bought, rank):
    assert reciprocal_rank(shown, bought) == rank


def test_means_are_of_the_last_ones_only():
    last = LastCompared(2)
    for ranks in ((1.0, 1.0), (0.5, 0.0), (0.0, 0.0)):
        last.add(ranks)

    assert last.hit_rates().tolist() == [0.5, 0.0]
    assert last.mean_reciprocal_ranks().tolist() == [0.25, 0.0]


def test_before_the_first_there_is_no_mean():
    assert all(math.isnan(mean) for mean in [*LastCompared(2).hit_rates(), *LastCompared(2).mean_reciprocal_ranks()])
