"""Calibration: learnt where it helps, the index alone or best sellers where it does not."""

from dataclasses import replace

import numpy as np
import pytest

from model.embeddings.parameters import TrainingParameters
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut
from model.ranking.parameters import Weights
from model.signals.product_votes import VoteParameters
from model.training.calibration import POPULARITY, calibrate, calibrate_on, calibrated, reweighted
from tests.builders.shop_histories import DAY_S, shop_histories

PARAMETERS = TrainingParameters(vector_size=16, epochs=8, scale_to_data=False, sample=0)
RECIPE = OfflineRecipe(parameters=PARAMETERS, votes=VoteParameters(regularisation=20))


@pytest.fixture(scope="module")
def shop():
    return shop_histories(seed=3)


@pytest.fixture(scope="module")
def one_window(shop):
    """What is calibrated on one window before now."""
    return calibrate(*shop, RECIPE, Cut(20), windows=1)


def test_weights_are_learnt_on_the_windows_before_now(shop):
    found = calibrate(*shop, RECIPE, Cut(20), windows=2)

    assert found.source.startswith("learnt")
    assert found.windows == 2
    assert found.ndcg[found.source] >= found.ndcg["stated"] > found.ndcg["popularity"]


def test_one_window_is_enough_to_learn_from(one_window):
    assert one_window.windows == 1


def test_the_same_data_give_the_same_calibration(shop, one_window):
    assert calibrate(*shop, RECIPE, Cut(20), windows=1) == one_window


def test_with_too_little_data_the_index_alone_answers():
    found = calibrate(*shop_histories(customers=30), RECIPE, Cut(20))

    assert (found.source, found.windows) == ("index", 0)
    assert calibrated(RECIPE, found) == replace(RECIPE, weights=None)


def test_best_sellers_serve_where_the_past_says_nothing():
    histories, keys = shop_histories(customers=300)
    random = np.random.default_rng(1)
    late = histories.times >= histories.times.max() - 39 * DAY_S
    products = np.where(late, random.integers(56, 61, len(late)), random.integers(1, 56, len(late)))
    fashion = replace(histories, products=products.astype(np.uint32))

    found = calibrate(fashion, keys, RECIPE, Cut(20), windows=1)

    assert found.ndcg[found.source] >= found.ndcg["popularity"]
    assert found.ndcg["popularity"] > 0.3


def test_the_first_stage_alone_is_not_calibrated():
    assert calibrate_on([], replace(RECIPE, weights=None)).weights is None


def test_a_part_that_is_switched_off_weighs_nothing():
    assert reweighted([], RECIPE, ["votes"]).weights == replace(Weights(), votes=0.0)


def test_best_sellers_need_no_vectors():
    assert POPULARITY.array()[[0, 3, 4]].tolist() == [0, 0, 0]
