import numpy as np
import pytest

from model.index.inverted import InvertedRows


@pytest.fixture(scope="module")
def matrix():
    rng = np.random.default_rng(4)
    middles = np.repeat(rng.normal(size=(50, 13)), 60, axis=0)
    return (middles + 0.3 * rng.normal(size=middles.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def built(matrix):
    return InvertedRows.build(matrix)


@pytest.fixture
def rows(built):
    """A copy that a test may write to; it reads an eighth of its lists."""
    copy = built.copy()
    copy.probes = copy.lists // 8
    return copy


def query(matrix, row):
    """What points where this row does, with the 1 that the last number is multiplied by."""
    return np.append(matrix[row, :-1], 1.0)[None].astype(np.float32)


def test_rows_are_given_back_in_half_precision(built, matrix):
    chosen = np.array([2999, 0, 17, 17])

    np.testing.assert_allclose(built.take(chosen), matrix[chosen], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(built.every(), matrix, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(built.last(), matrix[:, -1], rtol=1e-3, atol=1e-3)


def test_asking_for_all_rows_reads_every_list(rows, matrix):
    rows.probes = 1
    scores, found = rows.search(query(matrix, 5), len(matrix))

    assert sorted(found[0].tolist()) == list(range(len(matrix)))
    assert (np.diff(scores[0]) <= 0).all()


def test_asking_deep_reads_more_lists_than_asking_for_few(rows, matrix):
    rows.probes = 1
    exact = np.argsort(-(matrix @ query(matrix, 5)[0]))[:400]
    found = rows.search(query(matrix, 5), 400)[1][0]

    assert len(set(found) & set(exact)) > 380


@pytest.mark.parametrize("probes", [1, 4])
def test_a_row_far_from_the_query_is_found_as_soon_as_it_is_given_a_great_last_number(rows, matrix, probes):
    rows.probes = probes
    far = int(np.argmin(matrix[:, :-1] @ matrix[0, :-1]))
    rows.set_last(np.array([far]), np.array([500], np.float32))

    assert rows.search(query(matrix, 0), 1)[1].tolist() == [[far]]


def test_a_list_whose_great_number_is_gone_is_left_alone_again(rows, matrix):
    before = rows.search(query(matrix, 0), 50)[1]
    every, last = np.arange(len(matrix)), rows.last()
    rows.set_last(every, np.where(every % 60 == 0, 500, last).astype(np.float32))  # one row of each group
    for _ in range(rows.lists):
        rows.set_last(every, last)

    np.testing.assert_array_equal(rows.search(query(matrix, 0), 50)[1], before)


@pytest.fixture
def crowded(rows, matrix):
    """One row of each group has risen far above the others."""
    risen = np.arange(7, len(matrix), 60)
    rows.set_last(risen, matrix[risen, -1] + 6)
    return rows


def exact_best(rows, asked, k):
    return np.argsort(-(rows.every() @ asked[0]), kind="stable")[:k].tolist()


def test_rows_that_rise_everywhere_do_not_hide_the_likely_ones(crowded, matrix):
    asked = [query(matrix, row) for row in range(0, 3000, 100)]
    found = [crowded.search(one, 10)[1][0].tolist() for one in asked]

    shared = [len(set(mine) & set(exact_best(crowded, one, 10))) for mine, one in zip(found, asked, strict=True)]
    assert np.mean(shared) > 0.995 * 10


def test_a_risen_row_is_found_once_at_the_score_it_has(crowded, matrix):
    scores, found = crowded.search(query(matrix, 7), len(matrix))

    assert sorted(found[0].tolist()) == list(range(len(matrix)))
    np.testing.assert_allclose(scores[0], crowded.take(found[0]) @ query(matrix, 7)[0], rtol=1e-3, atol=1e-3)


def test_risen_rows_are_known_again_after_writing_and_reading(crowded, matrix, tmp_path):
    crowded.write(tmp_path / "rows.index")
    back = InvertedRows.read(tmp_path / "rows.index", 13)

    np.testing.assert_array_equal(back.search(query(matrix, 9), 20)[1], crowded.search(query(matrix, 9), 20)[1])


def test_a_risen_row_that_rises_on_or_falls_is_found_where_it_is_now(crowded, matrix):
    crowded.set_last(np.array([7, 67]), np.array([900, -900], np.float32))

    best = crowded.search(query(matrix, 67), 40)[1][0].tolist()
    assert best[0] == 7
    assert 67 not in best


def test_more_risen_rows_than_are_compared_one_by_one_are_found_by_their_lists(rows, matrix, monkeypatch):
    monkeypatch.setattr("model.index.inverted._MOST_RISEN", 3)
    far = np.argsort(matrix[:, :-1] @ matrix[0, :-1])[:9]
    rows.probes = 12
    rows.set_last(far, np.linspace(500, 600, 9, dtype=np.float32))

    assert rows.search(query(matrix, 0), 9)[1][0].tolist() == exact_best(rows, query(matrix, 0), 9)


def test_calibration_reads_no_more_lists_than_it_must(built, matrix):
    rows = built.copy()
    recall = rows.calibrate(matrix, np.concatenate([query(matrix, row) for row in range(0, 3000, 10)]))

    assert recall > 0.98
    assert rows.probes < rows.lists // 8


def test_calibration_outlives_writing_and_reading(built, matrix, tmp_path):
    rows = built.copy()
    rows.calibrate(matrix, np.concatenate([query(matrix, row) for row in range(0, 3000, 10)]))
    rows.write(tmp_path / "rows.index")
    back = InvertedRows.read(tmp_path / "rows.index", 13)

    assert (back.probes, back.lists, len(back)) == (rows.probes, rows.lists, len(rows))
    np.testing.assert_array_equal(back.search(query(matrix, 9), 20)[1], rows.search(query(matrix, 9), 20)[1])
