from dataclasses import dataclass

import numpy as np
import pytest

from model.index.item_index import IndexForm, ItemIndex, SimilarItems


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 8)).astype(np.float32), rng.normal(size=200).astype(np.float32)


@dataclass(frozen=True)
class Clustered:
    """Products in groups, and queries as histories give them: means of a few IN vectors of one group."""

    vectors: np.ndarray  # IN
    parts: tuple[np.ndarray, np.ndarray]  # OUT, bias
    queries: np.ndarray


@pytest.fixture(scope="module")
def clustered():
    rng = np.random.default_rng(2)
    group = rng.integers(0, 80, 4000)
    middles = rng.normal(size=(80, 16))
    vectors = (middles[group] + 0.5 * rng.normal(size=(4000, 16))).astype(np.float32)
    outputs = (middles[group] + 0.5 * rng.normal(size=(4000, 16))).astype(np.float32)
    bias = rng.gumbel(size=4000).astype(np.float32)
    bought = [rng.choice(np.flatnonzero(group == g % 80), 5) for g in range(300)]
    return Clustered(vectors, (outputs, bias), np.stack([vectors[rows].mean(axis=0) for rows in bought]))


def shared(best, found):
    return (
        np.mean([len(set(one) & set(other)) for one, other in zip(best.tolist(), found.tolist(), strict=True)])
        / best.shape[1]
    )


def queries(n=5):
    return np.random.default_rng(1).normal(size=(n, 8)).astype(np.float32)


def test_a_score_is_the_inner_product_plus_the_bias(parts):
    outputs, bias = parts
    scores, rows = ItemIndex.build(outputs, bias).search(queries(), 200)

    expected = queries() @ outputs.T + bias
    np.testing.assert_array_equal(rows[:, 0], expected.argmax(axis=1))
    np.testing.assert_allclose(scores, np.take_along_axis(expected, rows, axis=1), rtol=1e-4, atol=1e-5)


def test_only_a_large_catalogue_with_queries_to_calibrate_by_is_divided_into_lists(parts):
    outputs, bias = parts

    assert ItemIndex.build(outputs, bias, queries(20)).form == IndexForm()
    assert ItemIndex.build(outputs, bias, large=200).form == IndexForm()
    assert ItemIndex.build(outputs, bias, queries(20), large=200).form.lists == 56


def test_a_large_catalogue_answers_like_a_small_one(clustered):
    exact, listed = (ItemIndex.build(*clustered.parts, clustered.queries, large=large) for large in (10**6, 1000))
    asked = clustered.queries[::3]
    best, found = exact.search(asked, 10)[1], listed.search(asked, 10)[1]

    assert listed.form.probes < listed.form.lists / 4
    assert listed.form.recall > 0.98
    assert shared(best, found) > 0.98
    np.testing.assert_allclose(listed.scores_of(asked[0], best[0]), exact.scores_of(asked[0], best[0]), atol=0.02)
    np.testing.assert_allclose(listed.outputs_of(best[0]), exact.outputs_of(best[0]), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(listed.bias, exact.bias, rtol=1e-3, atol=1e-3)


def test_similar_products_of_a_large_catalogue_are_those_of_an_exact_search(clustered, tmp_path):
    vectors, outputs = clustered.vectors, clustered.parts[0]
    exact, listed = (SimilarItems.build(vectors, outputs, large=large) for large in (10**6, 1000))
    listed.write(tmp_path / "similar.index")
    back = SimilarItems.read(tmp_path / "similar.index", vectors, listed.form)
    pages = np.stack([exact.direction(np.array([row])) for row in range(0, 4000, 40)])

    assert shared(exact.search(pages, 10)[1], back.search(pages, 10)[1]) > 0.97
    assert listed.form.recall > 0.97


def test_similar_products_are_bought_in_the_same_company_or_next_to_each_other():
    vectors = np.array([[1, 0], [50, 1], [0, 3], [-1, 0]], np.float32)
    outputs = np.array([[0, 1], [0, 1], [4, 1], [0, 1]], np.float32)
    similar = SimilarItems.build(vectors, outputs)
    scores, rows = similar.search(similar.direction(np.array([0]))[None, :], 4)

    assert rows[0].tolist()[0] == 2  # its OUT vector is where the query points: bought next to it
    assert rows[0].tolist()[-1] == 3
    np.testing.assert_allclose(scores[0][0], 2 / 3, rtol=1e-6)


def test_the_direction_of_a_basket_lies_between_its_products():
    similar = SimilarItems.build(np.array([[9, 0], [0, 1]], np.float32), np.zeros((2, 2), np.float32))

    np.testing.assert_allclose(similar.direction(np.array([0, 1])), [0.5**0.5, 0.5**0.5], rtol=1e-6)
    assert similar.direction(np.array([], np.int64)).tolist() == [0, 0]
