"""What every index promises to those who rank with it: of products for customers and of products like a product, exact
or by lists. Each test runs on all of them; those of biases on the two that have some.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pytest

from model.index.item_index import IndexForm, ItemIndex, SimilarItems
from model.ranking.retrieval import rank

ITEMS, DIMENSION, GROUPS = 4000, 16, 80
TWINS = 100  # the last products are the first once more
NOTHING = np.zeros(0, np.int64)
FLAT, LISTS = 10**6, 1000  # how many products are called a large catalogue
KINDS = {
    "for customers, exact": (ItemIndex, FLAT),
    "for customers, by lists": (ItemIndex, LISTS),
    "like a product, exact": (SimilarItems, FLAT),
    "like a product, by lists": (SimilarItems, LISTS),
}


@dataclass(frozen=True)
class Shop:
    """Products in groups."""

    vectors: np.ndarray  # IN
    outputs: np.ndarray  # OUT
    bias: np.ndarray
    asked: np.ndarray  # means of a few IN vectors of one group, as histories give them


@dataclass(frozen=True)
class Case:
    """An index, what it is asked, and how it is opened again."""

    index: ItemIndex | SimilarItems
    queries: np.ndarray
    opened: Callable[[Path], ItemIndex | SimilarItems]

    def every_score(self, query: np.ndarray) -> np.ndarray:
        """The score of each row by the definition, rounded as the index rounds."""
        return self.index.scores_of(query, np.arange(ITEMS))

    def best(self, query: np.ndarray, excluded=NOTHING, only=None) -> list[int]:
        """The rows that may be given, best first."""
        scores = self.every_score(query)
        allowed = np.setdiff1d(np.arange(ITEMS) if only is None else only, excluded)
        return allowed[np.argsort(-scores[allowed], kind="stable")].tolist()


@pytest.fixture(scope="module")
def shop():
    random = np.random.default_rng(2)
    group = random.integers(0, GROUPS, ITEMS)
    middles = random.normal(size=(GROUPS, DIMENSION))
    vectors, outputs = (
        (middles[group] + 0.5 * random.normal(size=(ITEMS, DIMENSION))).astype(np.float32) for _ in range(2)
    )
    bias = random.gumbel(size=ITEMS).astype(np.float32)
    for column in (vectors, outputs, bias):
        column[-TWINS:] = column[:TWINS]
    bought = [random.choice(np.flatnonzero(group == g % GROUPS), 5) for g in range(300)]
    return Shop(vectors, outputs, bias, np.stack([vectors[rows].mean(axis=0) for rows in bought]))


def for_customers(shop, large):
    index = ItemIndex.build(shop.outputs, shop.bias, shop.asked, large=large)
    return Case(index, shop.asked[::10], lambda path: ItemIndex.read(path, DIMENSION, index.form))


def like_a_product(shop, large):
    index = SimilarItems.build(shop.vectors, shop.outputs, large=large)
    pages = np.stack([index.direction(np.array([row])) for row in range(0, ITEMS, 130)])
    return Case(index, pages, lambda path: SimilarItems.read(path, shop.vectors, index.form))


@pytest.fixture(scope="module", params=KINDS)
def case(request, shop):
    """One kind of index, which no test changes."""
    kind, large = KINDS[request.param]
    made = (for_customers if kind is ItemIndex else like_a_product)(shop, large)
    assert bool(made.index.form.lists) == (large == LISTS)
    return made


@pytest.fixture(scope="module", params=["exact", "by lists"])
def built(request, shop):
    return for_customers(shop, FLAT if request.param == "exact" else LISTS)


@pytest.fixture
def biased(built):
    """An index whose biases a test may rewrite."""
    return Case(built.index.with_bias(built.index.bias), built.queries, built.opened)


def shared(best, found):
    """Of the best rows, the part that was found."""
    pairs = zip(best, found, strict=True)
    return np.mean([len(set(mine) & set(other)) / max(len(mine), 1) for mine, other in pairs])


def ask(case, k, excluded=NOTHING, only=None):
    """The rows and scores for every query."""
    count = len(case.queries)
    return rank(case.index, case.queries, [k] * count, [excluded] * count, [only] * count)


# -- what is given


def test_nearly_all_of_the_best_are_found_best_first_with_the_scores_they_have(case):
    found = ask(case, 10)

    assert shared([case.best(query)[:10] for query in case.queries], [one.rows.tolist() for one in found]) > 0.98
    for query, one in zip(case.queries, found, strict=True):
        assert (np.diff(one.scores) <= 0).all()
        np.testing.assert_allclose(one.scores, case.every_score(query)[one.rows], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("k", [0, 1, 37, ITEMS, ITEMS + 50])
def test_as_many_as_asked_are_given_while_there_are_any_and_none_twice(case, k):
    for one in ask(case, k):
        assert len(set(one.rows.tolist())) == len(one.rows) == min(k, ITEMS)


def test_the_excluded_are_never_given_and_are_replaced_by_the_next_best(case):
    excluded = [np.array(case.best(query)[:300:2]) for query in case.queries]
    found = rank(case.index, case.queries, [10] * len(excluded), excluded)

    assert all(not set(one.rows.tolist()) & set(mine.tolist()) for one, mine in zip(found, excluded, strict=True))
    best = [case.best(query, mine)[:10] for query, mine in zip(case.queries, excluded, strict=True)]
    assert shared(best, [one.rows.tolist() for one in found]) > 0.98


def test_what_is_left_when_nearly_all_is_excluded_is_given(case):
    for one in ask(case, 10, np.arange(ITEMS - 4)):
        assert sorted(one.rows.tolist()) == list(range(ITEMS - 4, ITEMS))


@pytest.mark.parametrize("allowed", [5, 300])
def test_a_short_allow_list_is_ranked_exactly(case, allowed):
    only = np.random.default_rng(3).permutation(ITEMS)[:allowed]

    for query, one in zip(case.queries, ask(case, 10, only[:2], only), strict=True):
        assert one.rows.tolist() == case.best(query, only[:2], only)[:10]


def test_a_long_allow_list_is_kept_to_and_filled(case):
    only = np.arange(1, ITEMS, 2)
    found = ask(case, 10, only=only)

    assert all(len(one.rows) == 10 and (one.rows % 2 == 1).all() for one in found)
    best = [case.best(query, only=only)[:10] for query in case.queries]
    assert shared(best, [one.rows.tolist() for one in found]) > 0.98


def test_a_product_named_twice_in_an_allow_list_is_given_once(case):
    for one in ask(case, 10, only=np.array([7, 7, 8])):
        assert sorted(one.rows.tolist()) == [7, 8]


def test_requests_of_one_batch_do_not_see_each_other(case):
    queries = np.repeat(case.queries[:1], 3, axis=0)
    first, _, last = rank(case.index, queries, [10] * 3, [NOTHING, np.arange(ITEMS - 100), NOTHING])

    assert first.rows.tolist() == last.rows.tolist()


def test_no_requests_give_no_answers(case):
    assert rank(case.index, case.queries[:0], [], []) == []


def test_the_same_question_gets_the_same_answer(case):
    again = ask(case, 50)

    assert [one.rows.tolist() for one in ask(case, 50)] == [one.rows.tolist() for one in again]


def test_equals_have_equal_scores(case):
    for one in ask(case, ITEMS):
        by_row = one.scores[np.argsort(one.rows)]
        np.testing.assert_allclose(by_row[:TWINS], by_row[-TWINS:], rtol=1e-5, atol=1e-6)


def test_of_equals_on_an_allow_list_the_lower_row_comes_first(case):
    twin = ITEMS - TWINS
    for one in ask(case, 4, only=np.array([twin + 7, 7, twin + 3, 3])):
        assert one.rows.tolist() in ([3, twin + 3, 7, twin + 7], [7, twin + 7, 3, twin + 3])


# -- what is kept


def test_it_answers_alike_when_it_is_opened_from_its_file(case, tmp_path):
    case.index.write(tmp_path / "some.index")
    back = case.opened(tmp_path / "some.index")
    before, after = (index.search(case.queries, 20) for index in (case.index, back))

    assert (len(back), back.form) == (ITEMS, case.index.form)
    np.testing.assert_array_equal(after[1], before[1])
    np.testing.assert_array_equal(after[0], before[0])


def test_a_file_of_another_kind_is_refused(case, tmp_path):
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "other.index"))

    with pytest.raises(ValueError, match=r"other\.index: holds a IndexFlatL2 of 4 columns"):
        case.opened(tmp_path / "other.index")


def test_a_file_cut_short_is_an_error_and_no_crash(case, tmp_path):
    case.index.write(tmp_path / "some.index")
    whole = (tmp_path / "some.index").read_bytes()
    (tmp_path / "some.index").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(RuntimeError):
        case.opened(tmp_path / "some.index")


def test_a_file_of_other_vectors_is_refused(built, tmp_path):
    built.index.write(tmp_path / "some.index")

    with pytest.raises(ValueError, match="columns, it must be an Index"):
        ItemIndex.read(tmp_path / "some.index", 3 * DIMENSION, built.index.form)


# -- biases


def test_a_bias_is_in_the_next_search(biased):
    biased.index.set_bias(np.array([17, 42]), np.array([2000, 1000], np.float32))

    assert biased.index.search(biased.queries, 2)[1].tolist() == [[17, 42]] * len(biased.queries)
    assert biased.index.bias[[17, 42]].tolist() == [2000, 1000]


def test_a_product_whose_bias_falls_is_not_among_the_best_any_more(biased):
    (best, *_) = biased.best(biased.queries[0])
    biased.index.set_bias(np.array([best]), np.array([-1000], np.float32))

    assert best not in biased.index.search(biased.queries[:1], 50)[1][0].tolist()


def test_what_has_a_bias_of_minus_infinity_is_never_given_and_is_replaced(biased):
    best = biased.best(biased.queries[0])
    gone = np.array(best[:300])
    biased.index.set_bias(gone, np.full(300, -np.inf, np.float32))
    wide, narrow, everything = rank(
        biased.index,
        biased.queries[[0, 0, 0]],
        [10, 10, ITEMS],
        [NOTHING] * 3,
        [None, np.array(best[298:302]), None],
    )

    assert len(wide.rows) == 10
    assert shared([best[300:310]], [wide.rows.tolist()]) >= 0.9
    assert narrow.rows.tolist() == best[300:302]
    assert sorted(everything.rows.tolist()) == sorted(best[300:])
    assert all(np.isfinite(one.scores).all() for one in (wide, narrow, everything))


def test_a_catalogue_nearly_all_withdrawn_gives_what_is_left(biased):
    biased.index.set_bias(np.arange(ITEMS - 4), np.full(ITEMS - 4, -np.inf, np.float32))

    for one in ask(biased, 10):
        assert sorted(one.rows.tolist()) == list(range(ITEMS - 4, ITEMS))


def test_what_is_for_sale_again_is_found_again(biased):
    before = biased.index.search(biased.queries, 20)[1]
    every, bias = np.arange(ITEMS), biased.index.bias
    biased.index.set_bias(every, np.full(ITEMS, -np.inf, np.float32))
    biased.index.set_bias(every, bias)

    np.testing.assert_array_equal(biased.index.search(biased.queries, 20)[1], before)


def test_biases_are_kept_in_its_file_and_rewritten_when_it_is_opened(biased, tmp_path):
    biased.index.set_bias(np.array([3]), np.array([77], np.float32))
    biased.index.write(tmp_path / "some.index")
    back = biased.opened(tmp_path / "some.index")
    back.set_bias(np.array([4]), np.array([99], np.float32))

    assert back.search(biased.queries, 2)[1].tolist() == [[4, 3]] * len(biased.queries)
    np.testing.assert_array_equal(back.outputs, biased.index.outputs)


def test_other_biases_make_another_index_and_leave_the_first_as_it_was(built):
    bias = np.zeros(ITEMS, np.float32)
    bias[3] = 99
    other = built.index.with_bias(bias)

    assert other.search(built.queries[:2], 1)[1].tolist() == [[3], [3]]
    assert (other.bias[3], built.index.bias[3] < 10, other.form) == (99, True, built.index.form)


def test_vectors_and_biases_are_given_back(built, shop):
    some = np.array([3999, 0, 17, 17])

    np.testing.assert_allclose(built.index.outputs, shop.outputs, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(built.index.outputs_of(some), shop.outputs[some], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(built.index.average_output(), shop.outputs.mean(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(built.index.bias, shop.bias, rtol=1e-3, atol=1e-3)


def test_an_index_without_lists_says_so(shop):
    assert ItemIndex.build(shop.outputs, shop.bias, shop.asked).form == IndexForm()
