"""Weights: the feature that explains what was bought gets the weight, and little data changes little."""

import numpy as np
import pytest

from model.ranking.parameters import FEATURES, Weights
from model.training.weight_fitting import examples_of, fit_weights, mean_log_likelihood

NOTHING = Weights(0, 0, 0, 0, 0)


def shop(customers, telling="votes", seed=1):
    """Lists of ten candidates, of which the one with the greatest `telling` feature (and some noise) was bought."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(customers, 10, len(FEATURES))).astype(np.float32)
    wanted = values[:, :, FEATURES.index(telling)] + random.normal(size=(customers, 10)) / 2
    bought = wanted == wanted.max(axis=1, keepdims=True)
    return examples_of(np.full(customers, 10), values.reshape(-1, len(FEATURES)), bought.ravel())


@pytest.mark.parametrize("telling", FEATURES)
def test_the_feature_that_tells_what_is_bought_gets_the_weight(telling):
    found = fit_weights([shop(400, telling)])

    assert FEATURES[int(np.argmax(found.array()))] == telling
    assert np.abs(np.delete(found.array(), FEATURES.index(telling))).max() < getattr(found, telling) / 4


def test_weights_learnt_explain_purchases_of_others_better_than_none():
    found = fit_weights([shop(400)])

    assert mean_log_likelihood([shop(200, seed=2)], found) > mean_log_likelihood([shop(200, seed=2)], NOTHING) + 0.5


def test_few_customers_leave_the_weights_near_where_they_were():
    prior = Weights(1, 1, 1, 1, 1)
    few, many = fit_weights([shop(2)], prior=prior), fit_weights([shop(2000)], prior=prior)

    assert np.abs(few.array() - 1).max() < 0.2
    assert np.abs(many.array() - 1).max() > 0.5


def test_features_that_are_not_named_weigh_nothing():
    assert fit_weights([shop(100)], ["trend", "votes"]).array()[[0, 1, 3]].tolist() == [0, 0, 0]


def test_a_feature_that_is_the_same_for_all_candidates_weighs_nothing():
    examples = shop(100)
    examples.features[:, 0] = 7

    assert fit_weights([examples], prior=Weights()).affinity == 0


def test_lists_without_a_purchase_teach_nothing():
    values = np.zeros((5, len(FEATURES)), np.float32)
    found = examples_of(np.array([2, 3]), values, np.array([False, False, True, False, False]))

    assert found.starts.tolist() == [0]
    assert len(found.bought) == 3
