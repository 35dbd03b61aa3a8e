"""Votes of products: EASE checked against its definition, and the table cut from it."""

import numpy as np

from model.embeddings.vocabulary import Sets
from model.signals.ease import ease, learn_votes
from model.signals.product_votes import ProductVotes, VoteParameters, no_votes


def sets(*customers):
    starts = np.concatenate(([0], np.cumsum([len(rows) for rows in customers])))
    return Sets(starts, np.array([row for rows in customers for row in rows]))


TWO_GROUPS = sets([0, 1], [0, 1, 2], [1, 2], [3, 4], [3, 4, 5], [4, 5], [0, 2], [3, 5])


def test_plain_ease_is_the_published_closed_form():
    bought = np.zeros((8, 6))
    for customer in range(8):
        bought[customer, TWO_GROUPS.of(customer)] = 1
    inverse = np.linalg.inv(bought.T @ bought + 2 * np.eye(6))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)

    np.testing.assert_allclose(ease(TWO_GROUPS, np.arange(6), 6, 2.0), expected, atol=1e-5)


def test_products_vote_for_those_bought_with_them_and_never_for_themselves():
    table = learn_votes(TWO_GROUPS, 6, VoteParameters(regularisation=1, width=3))

    for row in range(6):
        rows, weights = table.of(np.array([row]))
        votes = set(rows[weights > 0].tolist())
        assert votes
        assert votes <= set(range(3) if row < 3 else range(3, 6)) - {row}


def test_beyond_the_most_bought_no_product_votes_or_is_voted_for():
    table = learn_votes(sets([0, 1], [0, 1], [0, 2]), 3, VoteParameters(regularisation=1, width=3, most=2))

    assert not table.of(np.array([2]))[1].any()
    assert 2 not in table.rows[table.weights > 0]


def test_nothing_bought_gives_an_empty_table():
    table = learn_votes(Sets(np.array([0]), np.zeros(0, np.int64)), 0, VoteParameters())

    assert (len(table.place), table.weights.sum()) == (0, 0)


def test_the_table_is_read_back_as_it_was_written(tmp_path):
    table = learn_votes(TWO_GROUPS, 6, VoteParameters(regularisation=1, width=3))
    table.write(tmp_path / "votes.npz")

    again = ProductVotes.read(tmp_path / "votes.npz")

    assert again.is_sound(6)
    for name in ("place", "rows", "weights"):
        assert np.array_equal(getattr(again, name), getattr(table, name))


def test_new_products_of_an_increment_have_no_votes_yet():
    table = learn_votes(TWO_GROUPS, 6, VoteParameters(regularisation=1, width=3)).extended(8)

    assert table.is_sound(8)
    assert table.of(np.array([0]))[1].any()
    assert not table.of(np.array([6, 7]))[1].any()


def test_a_table_that_does_not_fit_the_model_is_not_sound():
    table = learn_votes(TWO_GROUPS, 6, VoteParameters(regularisation=1, width=3))

    assert not table.is_sound(5)
    assert not table.is_sound(7)
    assert not ProductVotes(table.place, table.rows + 6, table.weights).is_sound(6)
    assert no_votes(6).is_sound(6)
