"""The second stage: what each feature adds, and that exclusions, allow-lists and k hold as in the first."""

from dataclasses import replace

import numpy as np
import pytest

from model.embeddings.parameters import TrainingParameters
from model.offline.recommender import OfflineRecipe, learn_offline
from model.ranking.parameters import FEATURES, Weights
from model.ranking.reranking import FeatureSources, features, reordered
from model.signals.product_votes import VoteParameters
from tests.builders.shop_histories import group_of, shop_histories

NOTHING = Weights(0, 0, 0, 0, 0)
PARAMETERS = TrainingParameters(vector_size=16, epochs=10, scale_to_data=False, sample=0)


@pytest.fixture(scope="module")
def made():
    histories, keys = shop_histories()
    return learn_offline(histories, keys, OfflineRecipe(parameters=PARAMETERS, votes=VoteParameters(regularisation=20)))


@pytest.fixture(scope="module")
def sources(made):
    model = made.model
    return FeatureSources(model.index, model.demand, model.number_of_row, model.neighbours, model.votes)


def ranked(made, batch, **given):
    defaults = {
        "k": [5] * len(batch.customers),
        "excluded": [np.zeros(0, np.int64)] * len(batch.customers),
    }
    return made.model.rank(batch, **(defaults | given))


def test_customers_are_offered_their_own_group(made):
    positions = np.arange(40)
    shown = made.recommend(positions, 1)[:, 0]

    assert np.mean(group_of(shown) == positions % 4) > 0.9


def test_what_is_excluded_is_never_shown(made):
    batch = made.batch(np.arange(8))
    excluded = [np.arange(i, 55) for i in range(8)]

    for i, found in enumerate(ranked(made, batch, excluded=excluded)):
        assert not set(found.rows.tolist()) & set(excluded[i].tolist())


def test_nothing_but_the_allowed_is_shown_and_all_of_it_when_it_is_short(made):
    batch = made.batch(np.arange(2))
    found = ranked(made, batch, only=[np.array([3, 7]), np.arange(40)])

    assert sorted(found[0].rows.tolist()) == [3, 7]
    assert len(found[1].rows) == 5
    assert found[1].rows.max() < 40


def test_as_many_as_asked_are_given_while_there_are_any(made):
    batch = made.batch(np.arange(3))
    found = ranked(made, batch, k=[60, 0, 7])

    assert [len(one.rows) for one in found] == [60, 0, 7]


def test_the_best_comes_first(made):
    for found in ranked(made, made.batch(np.arange(5))):
        assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("name", FEATURES)
def test_a_single_weight_orders_by_its_feature(made, sources, name):
    batch = made.batch(np.arange(3))
    candidates = [np.arange(60)] * 3
    values = features(sources, batch, candidates)[:, FEATURES.index(name)].reshape(3, 60)

    for i, found in enumerate(reordered(sources, replace(NOTHING, **{name: 1.0}), batch, candidates)):
        assert found.scores.tolist() == pytest.approx(np.sort(values[i])[::-1].tolist(), rel=1e-5)


def test_votes_are_the_shares_of_the_history_in_the_table(made, sources):
    batch = made.batch(np.array([4]))
    rows, strengths = sources.votes.of(np.arange(60))
    dense = np.zeros((60, 60))
    np.add.at(dense, (np.repeat(np.arange(60), rows.shape[1]), rows.ravel()), strengths.ravel())
    weights = batch.history.weights / batch.history.weights.sum()
    expected = np.log(weights @ dense[batch.history.rows] + 1e-3)

    found = features(sources, batch, [np.arange(60)], ["votes"])[:, FEATURES.index("votes")]

    assert found == pytest.approx(expected, rel=1e-4)


def test_affinity_is_the_inner_product_with_the_output_vectors(made, sources):
    batch = made.batch(np.array([4]))
    found = features(sources, batch, [np.arange(60)], ["affinity"])[:, 0]

    assert found == pytest.approx(made.item2vec.outputs @ batch.vectors[0], rel=1e-4, abs=1e-5)


def test_customers_do_not_change_each_others_answers(made):
    together = ranked(made, made.batch(np.arange(6)))
    alone = [ranked(made, made.batch(np.array([i])))[0] for i in range(6)]

    assert [one.rows.tolist() for one in together] == [one.rows.tolist() for one in alone]


def test_parts_that_are_missing_are_switched_off(made, sources):
    bare = replace(sources, neighbours=None, votes=None)
    values = features(bare, made.batch(np.arange(2)), [np.arange(60)] * 2)

    assert not values[:, [FEATURES.index("neighbours"), FEATURES.index("votes")]].any()
