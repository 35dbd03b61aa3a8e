"""Which brands learn a model of their own, and in which order."""

from dataclasses import replace

import pytest

from consumers.training.brand_schedule import BrandAttempt, BrandRules, BrandTrainings, brands_due, brands_with_enough
from model.training.brand_counts import BrandCount

RULES = BrandRules(models="auto", most=10, min_customers=50, min_new_orders=100, max_wait_s=3600)


def count(customers=100, *, loyal=None, orders=200):
    return BrandCount(customers, customers if loyal is None else loyal, orders, 3 * orders)


def learnt(orders=200, at_s=0.0, *, has_model=True):
    return BrandAttempt(orders, at_s, has_model)


@pytest.fixture
def trainings():
    return BrandTrainings(RULES, {})


def test_a_brand_with_enough_customers_has_a_model_of_its_own():
    counts = {"large": count(50), "small": count(49)}

    assert brands_with_enough(counts, {}, RULES) == ["large"]


@pytest.mark.parametrize(("models", "chosen"), [("auto", ["apart"]), ("on", ["apart", "shared"]), ("off", [])])
def test_brands_that_share_their_customers_with_others_get_one_only_when_told_so(models, chosen):
    counts = {"apart": count(100, loyal=50), "shared": count(100, loyal=49)}

    assert brands_with_enough(counts, {}, replace(RULES, models=models)) == chosen


def test_no_more_brands_than_the_limit_those_with_most_customers():
    counts = {"a": count(60), "b": count(90), "c": count(70)}

    assert brands_with_enough(counts, {}, replace(RULES, most=2)) == ["b", "c"]


def test_a_brand_that_has_a_model_keeps_its_place():
    counts = {"a": count(60), "b": count(90), "c": count(70)}

    assert brands_with_enough(counts, {"a": learnt()}, replace(RULES, most=2)) == ["a", "b"]


def test_a_brand_learns_when_enough_is_new():
    counts = {"quiet": count(orders=299), "busy": count(orders=300)}
    attempts = {"quiet": learnt(200), "busy": learnt(200)}

    assert brands_due(counts, attempts, RULES, now_s=60) == ["busy"]


def test_a_brand_learns_when_anything_is_new_and_time_has_passed():
    counts = {"same": count(orders=200), "one more": count(orders=201)}
    attempts = {"same": learnt(200), "one more": learnt(200)}

    assert brands_due(counts, attempts, RULES, now_s=3600) == ["one more"]


def test_brands_without_a_model_come_first_then_those_that_lack_most():
    counts = {name: count(orders=orders) for name, orders in (("a", 400), ("b", 900), ("new", 200), ("tried", 350))}
    attempts = {"a": learnt(200), "b": learnt(200), "tried": learnt(200, has_model=False)}

    assert brands_due(counts, attempts, RULES, now_s=60) == ["new", "tried", "b", "a"]


def test_orders_that_went_away_count_as_others():
    assert brands_due({"a": count(orders=150)}, {"a": learnt(5000)}, RULES, now_s=60) == ["a"]


def test_each_due_brand_is_given_out_once_until_the_next_count(trainings):
    trainings.counted({"a": count(), "b": count(orders=300)}, "db", 0.0)

    assert [trainings.next() for _ in range(3)] == ["b", "a", None]


def test_a_brand_that_could_not_learn_waits_for_more(trainings):
    trainings.counted({"a": count()}, "db", 0.0)
    trainings.attempted("a", 1.0, has_model=False)

    trainings.counted({"a": count(orders=299)}, "db", 2.0)
    early = trainings.next()
    trainings.counted({"a": count(orders=300)}, "db", 3.0)

    assert (early, trainings.next()) == (None, "a")


class Model:
    """What is known of a model in the folder."""

    database_id = "db"

    def __init__(self, lines):
        self.lines = lines


@pytest.mark.parametrize(("lines", "database", "due"), [(600, "db", None), (200, "db", "a"), (600, "other", "a")])
def test_after_a_restart_it_goes_on_from_the_model_in_the_folder(lines, database, due):
    trainings = BrandTrainings(RULES, {"": Model(9), "a": Model(lines)})

    trainings.counted({"a": count(orders=200)}, database, 0.0)

    assert trainings.next() == due
