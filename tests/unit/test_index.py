import faiss
import numpy as np
import pytest

from model.index import ItemIndex, SimilarItems


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 8)).astype(np.float32), rng.normal(size=200).astype(np.float32)


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
    back = ItemIndex.read(tmp_path / "items.index")
    back.set_bias(np.array([4]), np.array([99], np.float32))

    assert back.search(queries(1), 2)[1].tolist() == [[4, 3]]
    np.testing.assert_array_equal(back.outputs, index.outputs)


def test_an_index_of_another_kind_is_refused(tmp_path):
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "other.index"))

    with pytest.raises(ValueError, match=r"other\.index: holds a IndexFlatL2"):
        ItemIndex.read(tmp_path / "other.index")


def test_similar_products_are_bought_in_the_same_company_or_next_to_each_other():
    vectors = np.array([[1, 0], [50, 1], [0, 3], [-1, 0]], np.float32)
    outputs = np.array([[0, 1], [0, 1], [4, 1], [0, 1]], np.float32)
    similar = SimilarItems(vectors, outputs)
    scores, rows = similar.search(similar.direction(np.array([0]))[None, :], 4)

    assert rows[0].tolist()[0] == 2  # its OUT vector is where the query points: bought next to it
    assert rows[0].tolist()[-1] == 3
    np.testing.assert_allclose(scores[0][0], 2 / 3, rtol=1e-6)


def test_the_direction_of_a_basket_lies_between_its_products():
    similar = SimilarItems(np.array([[9, 0], [0, 1]], np.float32), np.zeros((2, 2), np.float32))

    np.testing.assert_allclose(similar.direction(np.array([0, 1])), [0.5**0.5, 0.5**0.5], rtol=1e-6)
    assert similar.direction(np.array([], np.int64)).tolist() == [0, 0]
