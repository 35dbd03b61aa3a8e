"""Where tuning looks: around the parameters in force, at what a shop of this size makes use of."""

from dataclasses import replace

import optuna
import pytest

from model.embeddings.parameters import TrainingParameters
from model.tuning.search_space import TUNED, starting_points, suggested, too_dear

MANY, FEW = 1_000_000, 10_000  # pairs of customer and product
NOW = TrainingParameters()


def asked(parameters, seed=1):
    """A trial after the one that is enqueued."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.enqueue_trial(parameters)
    return study.ask()


@pytest.mark.parametrize("changed", [{}, {"vector_size": 1_000, "alpha": 0.9, "sample": 0.01, "ns_exponent": -2.0}])
def test_the_settings_in_force_can_be_suggested_wherever_they_are(changed):
    now = replace(NOW, **changed)

    assert suggested(asked(starting_points(now)[0]), now, MANY) == now


def test_every_tuned_parameter_is_moved_and_no_other():
    wanted = suggested(asked({}), NOW, MANY)

    assert all(getattr(wanted, name) != getattr(NOW, name) for name in TUNED if name not in ("sample", "min_count"))
    assert replace(wanted, **starting_points(NOW)[0]) == NOW


def test_what_a_small_shop_makes_no_use_of_stays_as_it_is():
    wanted = suggested(asked({"epochs": 80, "sample": 1e-3}), NOW, FEW)

    assert (wanted.epochs, wanted.sample) == (NOW.epochs, NOW.sample)


def test_more_than_three_times_the_work_is_too_dear():
    assert not too_dear(replace(NOW, epochs=3 * NOW.epochs), NOW, MANY)
    assert too_dear(replace(NOW, epochs=3 * NOW.epochs + 1), NOW, MANY)


def test_work_is_counted_in_the_epochs_that_a_small_shop_gets():
    assert not too_dear(replace(NOW, epochs=4 * NOW.epochs), NOW, FEW)


def test_the_defaults_are_a_starting_point_behind_what_is_in_force():
    first, second, *others = starting_points(replace(NOW, window=7))

    assert (first["window"], second["window"]) == (7, NOW.window)
    assert len(others) == 3


def test_no_starting_point_comes_twice():
    assert len(starting_points(NOW)) == 4


def test_settings_that_are_cheap_do_not_keep_the_search_from_the_defaults():
    cheap = replace(NOW, vector_size=16, epochs=2)

    assert not too_dear(NOW, cheap, MANY)
