"""What a score is made of: the definition, by hand."""

import numpy as np
import pytest

from model.ranking.kernel import reference
from model.ranking.parameters import Scoring, Weights
from tests.builders.made_up_models import Ask, asked_batch, made_up_histories, made_up_model

ITEMS = 40
TWO_ORDERS = Ask(products=[3, 8, 9], times=[10, 20, 20], k=ITEMS)  # weights .9, 1, 1
BOUGHT, WEIGHTS = [3, 8, 9], np.array([0.9, 1, 1]) / 2.9
ADDEND = np.linspace(-1, 1, ITEMS, dtype=np.float32)


def answered(ask=TWO_ORDERS, **changed):
    model = made_up_model(made_up_histories(ITEMS - 5, 60), ITEMS, **changed)
    answer = reference.recommended(model, asked_batch([ask]), average=model.index.average_output(), shares=True)
    return model, answer


def by_product(model, answer):
    """float32 (n_shown, 3): what each product of BOUGHT speaks for each shown one."""
    rows = answer.shares.rows.reshape(len(answer.rows), -1)
    assert (np.sort(rows, axis=1) == np.sort(model.row_of_number[BOUGHT])).all()
    order = [rows[0].tolist().index(row) for row in model.row_of_number[BOUGHT].tolist()]
    return answer.shares.purchases.reshape(rows.shape)[:, order]


def affinities(model, answer):
    return model.index.outputs_of(answer.rows) @ model.vectors[model.row_of_number[BOUGHT]].T * WEIGHTS


@pytest.mark.parametrize(
    "changed", [{}, {"weights": None}, {"weights": Weights(votes=0)}, {"weights": Weights(neighbours=0)}]
)
def test_shares_add_up_to_the_score(changed):
    _, answer = answered(**changed)

    np.testing.assert_allclose(answer.shares.sums(), answer.scores, atol=1e-5)


def test_of_the_index_alone_they_are_scaled_affinity_popularity_and_trend():
    scoring = Scoring(scale=0.3, popularity_weight=0.5, trend_weight=2)
    model, answer = answered(weights=None, scoring=scoring)
    popularity, trend = model.demand.popularity_and_trend(model.number_of_row[answer.rows])

    np.testing.assert_allclose(by_product(model, answer), 0.3 * affinities(model, answer), atol=1e-5)
    np.testing.assert_allclose(answer.shares.popularity, 0.5 * popularity, atol=1e-5)
    np.testing.assert_allclose(answer.shares.trend, 2 * trend, atol=1e-5)
    for nothing in (answer.shares.neighbours, answer.shares.votes_base, answer.shares.addend):
        assert not nothing.any()


def test_the_rise_by_votes_is_divided_by_who_gave_how_many():
    weights = Weights(affinity=0, popularity=0, trend=0, neighbours=0, votes=1.5)
    model, answer = answered(weights=weights)
    votes = np.zeros((len(answer.rows), 3))
    for i, row in enumerate(model.row_of_number[BOUGHT].tolist()):
        for voted, strength in zip(*(array[0] for array in model.votes.of(np.array([row]))), strict=True):
            votes[answer.rows == voted, i] += strength * WEIGHTS[i]
    total = votes.sum(axis=1, keepdims=True)
    rise = 1.5 * (np.log(total + 1e-3) - np.log(1e-3))

    assert (total == 0).any(), "for some nobody votes"
    np.testing.assert_allclose(by_product(model, answer), rise * votes / np.maximum(total, 1e-30), atol=1e-5)
    np.testing.assert_allclose(answer.shares.votes_base, 1.5 * np.log(1e-3), rtol=1e-6)


def test_an_addend_stands_for_itself():
    _, answer = answered(Ask(products=[3], times=[1], addend=ADDEND))

    assert answer.shares.addend.tolist() == ADDEND[answer.rows].tolist()


def test_who_does_not_ask_gets_none():
    model, _ = answered()

    assert model.recommend(asked_batch([TWO_ORDERS]), average=model.index.average_output()).shares is None


def test_who_is_shown_nothing_has_no_shares():
    _, answer = answered(Ask(products=[], times=[]))

    assert (answer.shares.starts.tolist(), len(answer.shares.rows), len(answer.shares.sums())) == ([0], 0, 0)
