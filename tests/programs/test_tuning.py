"""Tuning: never a look at the test window, honest about time, and at least as good as what is in force."""

from dataclasses import replace

import numpy as np
import pytest

from model.embeddings.parameters import TooLittleData, TrainingParameters
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut
from model.signals.product_votes import VoteParameters
from model.tuning.search import Interrupted, TuningPace, TuningPlan, pace, search
from model.tuning.validation import TooFewTested
from tests.builders.shop_histories import DAY_S, shop_histories

PARAMETERS = TrainingParameters(vector_size=8, window=5, negative=5, epochs=3, scale_to_data=False, sample=0)
RECIPE = OfflineRecipe(parameters=PARAMETERS, votes=VoteParameters(regularisation=20))
PLAN = TuningPlan(cut=Cut(20), validation=2, recipe=RECIPE, most_attempts=3)


def never():
    return False


def searched(shop, plan=PLAN, **options):
    return search(*shop, plan, **({"is_over": never} | options))


def told(found):
    """What was tried, and every customer's result."""
    return [(attempt.parameters, attempt.ndcg.tolist()) for attempt in found.attempts]


@pytest.fixture(scope="module")
def shop():
    return shop_histories()


@pytest.fixture(scope="module")
def found(shop):
    return searched(shop)


@pytest.fixture(scope="module")
def many(shop):
    return searched(shop, replace(PLAN, most_attempts=10))


def test_the_settings_in_force_are_tried_first_and_lose_only_to_better_ones(found):
    assert found.attempts[0].parameters == PARAMETERS
    assert found.best.score >= found.attempts[0].score
    assert found.gain().mean == pytest.approx(found.best.score - found.attempts[0].score)


def test_what_was_judged_in_all_windows_comes_with_weights_learnt_on_them(found):
    assert found.best.windows == found.windows == 2
    assert found.best.recipe.weights != RECIPE.weights


def test_nonsense_in_the_test_window_changes_nothing(shop, found):
    histories, keys = shop
    inside = histories.times > histories.times.max() - 20 * DAY_S
    nonsense = np.where(inside, 1, histories.products).astype(np.uint32)

    assert told(searched((replace(histories, products=nonsense), keys))) == told(found)


def test_the_same_data_and_seed_give_the_same_search(shop, found):
    assert told(searched(shop)) == told(found)


def test_settings_that_do_worse_in_the_first_window_are_spared_the_second(many):
    given_up = [attempt for attempt in many.attempts if attempt.windows == 1]

    assert given_up
    assert not {id(attempt) for attempt in given_up} & {id(attempt) for attempt in many.finished}
    first = len(given_up[0].ndcg)
    better = sorted((attempt.ndcg[:first].mean() for attempt in many.attempts), reverse=True)
    assert all(attempt.score < better[2] for attempt in given_up)


def test_a_search_that_is_over_drops_the_training_it_is_in(shop):
    passes = []

    def over():
        return len(passes) > 2 * PARAMETERS.epochs + 3  # in the second attempt's first training

    found = searched(shop, is_over=over, progress=lambda _what, done: passes.append(done))

    assert len(found.attempts) == 1
    assert not found.found
    assert 0 < passes[-1] < 1


def test_a_search_that_is_over_at_once_has_judged_the_settings_in_force(shop):
    found = searched(shop, is_over=lambda: True)

    assert len(found.attempts) == 1
    assert 0 < found.attempts[0].score <= 1


def test_a_search_that_is_stopped_at_once_says_so(shop):
    with pytest.raises(Interrupted, match="nothing was written"):
        searched(shop, is_stopped=lambda: True)


@pytest.mark.parametrize(("seconds", "least", "most"), [(0, 1, 1), (30, 1, 1), (90, 1, 4), (300, 5, 25)])
def test_a_pace_says_how_many_settings_a_time_is_enough_for(seconds, least, most):
    assert TuningPace(attempt_s=60.0, window_s=10.0, learning_s=8.0).attempts(seconds) == (least, most)


def test_the_pace_is_measured_on_the_purchases(shop):
    measured = pace(*shop, TuningPlan(cut=Cut(20), validation=2, recipe=RECIPE))

    assert 0 < measured.learning_s < measured.window_s < measured.attempt_s < 120


def test_each_attempt_is_told_as_it_ends(shop):
    heard = []
    found = searched(shop, replace(PLAN, most_attempts=2), on_attempt=heard.append)

    assert heard == found.attempts


def test_a_window_before_which_too_little_was_bought_is_left_out(shop):
    careful = replace(RECIPE, parameters=replace(PARAMETERS, min_customers=230))
    few = shop_histories(days=80)
    found = searched(few, replace(PLAN, recipe=careful, most_attempts=1))

    assert found.windows == 1
    assert found.best.recipe.weights != RECIPE.weights


def test_too_little_to_learn_from_is_no_search(shop):
    careful = replace(RECIPE, parameters=replace(PARAMETERS, min_customers=1_000))

    with pytest.raises(TooLittleData):
        searched(shop, replace(PLAN, recipe=careful))


def test_too_few_customers_to_judge_by_are_no_search():
    with pytest.raises(TooFewTested):
        searched(shop_histories(customers=30))


def test_windows_by_orders_can_be_tuned_on(shop):
    assert searched(shop, replace(PLAN, cut=Cut(None), most_attempts=1)).windows == 2
