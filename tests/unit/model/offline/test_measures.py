"""Measures: worked out by hand on lists of a few products."""

import numpy as np
import pytest

from model.offline.measures import averaged, difference, interval, measure, medians
from model.offline.splits import Truth

TRUTH = Truth(np.array([0, 1]), np.array([0, 2, 3]), np.array([5, 7, 9]))
SOLD = np.array([0, 1, 1, 1, 1, 10, 1, 4, 1, 2, 1])


def judged(*shown):
    return measure(np.array(shown), TRUTH, SOLD)


def test_measures_of_a_hit_in_second_place_and_of_none():
    found = judged([1, 5, 2], [1, 2, 3])

    assert found.hit_rate.tolist() == [1, 0]
    assert found.recall.tolist() == [0.5, 0]
    assert found.mrr.tolist() == [0.5, 0]
    assert found.ndcg[0] == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3)))


def test_the_best_possible_list_has_an_ndcg_of_one():
    assert judged([7, 5, 1], [9, 1, 2]).ndcg.tolist() == pytest.approx([1, 1])


def test_places_beyond_the_end_of_a_short_list_are_no_hits():
    assert judged([-1, -1, -1], [-1, -1, -1]).hit_rate.tolist() == [0, 0]


def test_a_product_of_another_customer_is_no_hit():
    assert judged([9, 1, 2], [5, 7, 1]).hit_rate.tolist() == [0, 0]


def test_coverage_is_the_part_of_the_sold_products_that_is_shown():
    assert judged([1, 5, 2], [1, 2, 3]).coverage == pytest.approx(4 / 10)


def test_popularity_is_the_mean_percentile_of_what_is_shown():
    assert judged([5, 5, 5], [5, 5, 5]).popularity == pytest.approx(0.95)


def test_an_interval_is_narrower_with_more_customers():
    few, many = interval(np.array([0.0, 1.0] * 10)), interval(np.array([0.0, 1.0] * 1000))

    assert few.mean == many.mean == 0.5
    assert many.high - many.low < few.high - few.low


def test_differences_are_paired_by_customer():
    ours, theirs = judged([5, 7, 1], [9, 1, 2]), judged([1, 2, 3], [9, 1, 2])
    found = difference(ours, theirs)

    assert found.mean == pytest.approx(0.5)
    assert found.low < 0.5 < found.high


def test_different_customers_cannot_be_compared():
    alone = measure(np.array([[5]]), Truth(np.array([0]), np.array([0, 1]), np.array([5])), SOLD)

    with pytest.raises(ValueError, match="2 and 1 customers"):
        difference(judged([1], [2]), alone)


def test_a_row_over_seeds_holds_medians_and_each_customers_mean():
    runs = [judged([5], [9]), judged([1], [9]), judged([1], [1])]

    assert medians([run.means() for run in runs])["hit_rate"] == 0.5
    assert averaged(runs).hit_rate.tolist() == pytest.approx([1 / 3, 2 / 3])
