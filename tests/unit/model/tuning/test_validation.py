"""Training parameters judged on a window: every customer once, by weights that the other half taught."""

from dataclasses import replace

import numpy as np
import pytest

from model.embeddings.parameters import TrainingParameters
from model.offline.measures import measure
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut
from model.signals.product_votes import VoteParameters
from model.tuning.validation import TooFewTested, cross_measured, weighed, windows_of
from tests.builders.shop_histories import shop_histories

PARAMETERS = TrainingParameters(vector_size=16, epochs=8, scale_to_data=False, sample=0)
RECIPE = OfflineRecipe(parameters=PARAMETERS, votes=VoteParameters(regularisation=20))


@pytest.fixture(scope="module")
def shop():
    return shop_histories()


@pytest.fixture(scope="module")
def window(shop):
    return windows_of(shop[0], Cut(20), 1)[0]


@pytest.fixture(scope="module")
def trial(shop, window):
    return window.learnt(shop[1], RECIPE)


def test_every_tested_customer_is_judged(trial):
    ndcg = cross_measured(trial)

    assert len(ndcg) == len(trial.truth.customers)
    assert ndcg.mean() > 0.4


def test_vectors_of_another_length_are_judged_alike(trial):
    longer = replace(trial.recommender.model, vectors=trial.recommender.model.vectors * np.float32(3))
    stretched = replace(trial, recommender=replace(trial.recommender, model=longer))

    assert cross_measured(stretched).mean() == pytest.approx(cross_measured(trial).mean(), rel=0.05)


def test_without_weights_the_index_alone_is_judged(shop, window):
    trial = window.learnt(shop[1], replace(RECIPE, weights=None))

    shown = trial.recommender.recommend(trial.truth.customers, 10)
    expected = measure(shown, trial.truth, trial.recommender.model.demand.total)
    assert cross_measured(trial).tolist() == expected.ndcg.tolist()
    assert weighed([trial], trial.recommender.recipe) == trial.recommender.recipe


def test_product_votes_are_learnt_once_for_each_vocabulary(shop, window, trial):
    again = window.learnt(shop[1], replace(RECIPE, parameters=replace(PARAMETERS, vector_size=8)))
    fewer = window.learnt(shop[1], replace(RECIPE, parameters=replace(PARAMETERS, min_count=40)))

    assert again.recommender.model.votes is trial.recommender.model.votes
    assert fewer.recommender.model.votes is not trial.recommender.model.votes


def test_windows_that_test_too_few_are_no_windows():
    with pytest.raises(TooFewTested, match="50 are needed"):
        windows_of(shop_histories(customers=30)[0], Cut(20), 2)
