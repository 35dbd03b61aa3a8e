from dataclasses import dataclass

import faiss
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


def test_a_new_bias_is_in_the_next_search(parts):
    index = ItemIndex.build(*parts)
    index.set_bias(np.array([17, 42]), np.array([2000, 1000], np.float32))

    assert index.search(queries(), 2)[1].tolist() == [[17, 42]] * 5
    assert index.bias[[17, 42]].tolist() == [2000, 1000]


def test_a_bias_of_minus_infinity_takes_a_row_out(parts):
    index = ItemIndex.build(*parts)
    index.set_bias(np.arange(100), np.full(100, -np.inf, np.float32))
    scores, rows = index.search(queries(), 200)

    assert set(rows[:, :100].ravel().tolist()) == set(range(100, 200))
    assert not np.isnan(scores).any()


def test_asking_for_more_than_there_is_gives_all(parts):
    scores, rows = ItemIndex.build(*parts).search(queries(3), 5000)

    assert (scores.shape, rows.min()) == ((3, 200), 0)


def test_rows_named_by_an_allow_list_get_the_scores_that_a_search_gives(parts):
    index = ItemIndex.build(*parts)
    scores, rows = index.search(queries(1), 200)

    np.testing.assert_allclose(index.scores_of(queries(1)[0], rows[0]), scores[0], rtol=1e-4, atol=1e-5)


def test_a_written_index_reads_back_with_its_biases(parts, tmp_path):
    index = ItemIndex.build(*parts)
    index.set_bias(np.array([3]), np.array([77], np.float32))
    index.write(tmp_path / "items.index")
    back = ItemIndex.read(tmp_path / "items.index", 8)
    back.set_bias(np.array([4]), np.array([99], np.float32))

    assert back.search(queries(1), 2)[1].tolist() == [[4, 3]]
    np.testing.assert_array_equal(back.outputs, index.outputs)


@pytest.mark.parametrize("form", [IndexForm(), IndexForm(lists=8, probes=2, recall=0.99)])
def test_an_index_of_another_kind_is_refused(tmp_path, form):
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "other.index"))

    with pytest.raises(ValueError, match=r"other\.index: holds a IndexFlatL2 of 4 columns"):
        ItemIndex.read(tmp_path / "other.index", 3, form)


def test_an_index_of_other_vectors_is_refused(parts, tmp_path):
    ItemIndex.build(*parts).write(tmp_path / "items.index")

    with pytest.raises(ValueError, match=r"holds a IndexFlatIP of 9 columns, it must be an IndexFlatIP of 10"):
        ItemIndex.read(tmp_path / "items.index", 9)


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


def test_what_was_divided_into_lists_reads_back_as_it_was(clustered, tmp_path):
    index = ItemIndex.build(*clustered.parts, clustered.queries, large=1000)
    index.set_bias(np.array([7]), np.array([50], np.float32))
    index.write(tmp_path / "items.index")
    back = ItemIndex.read(tmp_path / "items.index", 16, index.form)

    assert back.search(clustered.queries, 1)[1].tolist() == [[7]] * len(clustered.queries)
    np.testing.assert_array_equal(back.outputs, index.outputs)


def test_other_biases_make_another_index_and_leave_the_first_as_it_was(clustered):
    for large in (1000, 10**6):
        index = ItemIndex.build(*clustered.parts, clustered.queries, large=large)
        bias = np.zeros(len(index), np.float32)
        bias[3] = 99
        other = index.with_bias(bias)

        assert other.search(clustered.queries[:2], 1)[1].tolist() == [[3], [3]]
        assert (other.bias[3], index.bias[3] < 10, other.form) == (99, True, index.form)


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
