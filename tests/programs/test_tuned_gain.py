"""What tuning gained: measured on a window that the search has not seen, and a recommendation that can be no."""

from dataclasses import replace

import numpy as np
import pytest

from model.embeddings.parameters import TrainingParameters
from model.offline.measures import Measured
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut
from model.tuning.gain import Gain, Stopped, measured, test_window, verdict
from model.tuning.search import Search, TuningAttempt
from model.tuning.validation import TooFewTested
from tests.builders.shop_histories import shop_histories

test_window.__test__ = False  # a function of ours, not a test

NOW = TrainingParameters(vector_size=16, epochs=8, scale_to_data=False, sample=0)
OTHER = replace(NOW, epochs=1, alpha=0.01)
NOISE = np.tile([0.3, -0.3], 100)  # adds up to nothing


def attempt(parameters, ndcg):
    return TuningAttempt(OfflineRecipe(parameters=parameters, weights=None), np.asarray(ndcg, float), 1, 1.0)


def searched(validation_gain, noise=0.0):
    before = np.full(200, 0.5)
    return Search([attempt(NOW, before), attempt(OTHER, before + validation_gain + noise * NOISE)], 1, 0)


def gained(mean, noise=0.0):
    before = np.full(200, 0.5)
    runs = [Measured(x, x, x, x, 0.1, 0.5) for x in (before, before + mean + noise * NOISE)]
    return Gain(*runs, seeds=1)


@pytest.fixture(scope="module")
def shop():
    return shop_histories()


@pytest.fixture(scope="module")
def tested(shop):
    return test_window(shop[0], Cut(20))


def test_a_gain_on_both_sides_is_taken():
    assert verdict(searched(0.02), gained(0.01)).change


def test_a_gain_within_noise_on_the_test_window_is_taken_and_called_so():
    found = verdict(searched(0.02), gained(0.01, noise=1.0))

    assert found.change
    assert "within noise there" in found.why


@pytest.mark.parametrize(
    ("search", "gain", "why"),
    [
        (searched(-0.01), None, "nothing that was tried"),
        (searched(0.001, noise=1.0), gained(0.01), "within noise"),
        (searched(0.02), gained(-0.001), "no gain on the test window"),
        (searched(0.02), None, "not measured"),
    ],
)
def test_without_a_sure_gain_the_settings_in_force_stay(search, gain, why):
    found = verdict(search, gain)

    assert not found.change
    assert why in found.why


def test_both_settings_answer_the_same_customers_of_the_newest_window(shop, tested):
    gain = measured(tested, shop[1], searched(0.02), Cut(20), seeds=1)

    assert len(gain.before.ndcg) == len(gain.after.ndcg) == len(tested.truth.customers)
    assert gain.before.ndcg.tolist() != gain.after.ndcg.tolist()
    assert gain.ndcg().mean == pytest.approx(gain.after.mean("ndcg") - gain.before.mean("ndcg"))


def test_the_same_settings_gain_nothing(shop, tested):
    same = Search([attempt(NOW, [0.5]), attempt(NOW, [0.6])], 1, 0)

    assert measured(tested, shop[1], same, Cut(20), seeds=2).ndcg().mean == 0


def test_a_measurement_can_be_broken_off(shop, tested):
    with pytest.raises(Stopped):
        measured(tested, shop[1], searched(0.02), Cut(20), seeds=1, is_over=lambda: True)


def test_a_test_window_with_too_few_customers_is_refused():
    with pytest.raises(TooFewTested, match="the newest window"):
        test_window(shop_histories(customers=30)[0], Cut(20))
