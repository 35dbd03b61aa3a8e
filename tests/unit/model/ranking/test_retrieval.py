import numpy as np
import pytest

from model.embeddings.queries import WeightedHistory, query_vectors, weighted_history
from model.index.item_index import ItemIndex, SimilarItems
from model.purchases.histories import Bought
from model.ranking.parameters import Scoring, Weights
from model.ranking.reasons import because
from model.ranking.retrieval import rank
from model.ranking.shown_scores import ScoreScale, display_scores, score_scale

ITEMS, DIMENSION = 2500, 16
AFFINITY = Weights(affinity=1, popularity=0, trend=0, neighbours=0, votes=0)


@pytest.fixture(scope="module")
def outputs():
    return np.random.default_rng(0).normal(size=(ITEMS, DIMENSION)).astype(np.float32)


@pytest.fixture(scope="module")
def bias():
    return np.random.default_rng(1).normal(size=ITEMS).astype(np.float32)


@pytest.fixture
def index(outputs, bias):
    return ItemIndex.build(outputs, bias)


def some_queries(n=3):
    return np.random.default_rng(2).normal(size=(n, DIMENSION)).astype(np.float32)


def of_rows(*histories, weights=None):
    rows = np.concatenate([np.array(h, np.int64) for h in histories])
    starts = np.cumsum([0, *map(len, histories)]).astype(np.int64)
    weighed = np.ones(len(rows)) if weights is None else np.array(weights)
    return WeightedHistory(starts, rows, weighed.astype(np.float32))


def dense(outputs, bias, query, excluded, only=None):
    """The definition: every product scored, the excluded dropped, best first."""
    scores = outputs @ query + bias
    allowed = set(range(ITEMS) if only is None else only) - set(np.asarray(excluded).tolist())
    return sorted(allowed, key=lambda row: -scores[row])


NOTHING = np.zeros(0, np.int64)


def test_older_orders_weigh_less_but_never_nothing():
    bought = Bought(np.array([0, 3]), np.array([5, 6, 7], np.uint32), np.array([0, 1, 200]))
    history = weighted_history(bought, np.arange(10), recency=0.9)

    assert history.weights.tolist() == pytest.approx([1, 0.9, 0.05])


def test_products_outside_the_vocabulary_are_no_part_of_a_history():
    bought = Bought(np.array([0, 2, 2, 4]), np.array([1, 2, 2, 900], np.uint32), np.zeros(4, np.int64))
    history = weighted_history(bought, np.array([-1, -1, 30]), recency=0.9)

    assert (history.starts.tolist(), history.rows.tolist()) == ([0, 1, 1, 2], [30, 30])


def test_a_query_is_the_weighted_mean_of_raw_vectors_times_the_scale():
    vectors = np.array([[1, 0], [0, 4], [9, 9]], np.float32)
    queries = query_vectors(vectors, of_rows([0, 1], weights=[3, 1]), 2.0)

    assert queries.tolist() == [[1.5, 2.0]]


def test_an_empty_history_asks_nothing_and_borrows_from_nobody():
    vectors = np.array([[1, 0], [0, 4]], np.float32)
    queries = query_vectors(vectors, of_rows([], [1], [], [0], []), 1.0)

    assert queries.tolist() == [[0, 0], [0, 4], [0, 0], [1, 0], [0, 0]]


def test_the_best_products_come_first_without_the_excluded(index, outputs, bias):
    queries, excluded = some_queries(), [NOTHING, np.array([3, 1, 4]), np.arange(0, 2500, 2)]
    answers = rank(index, queries, [10, 5, 7], excluded)

    expected = [dense(outputs, bias, queries[i], excluded[i])[:k] for i, k in enumerate((10, 5, 7))]
    assert [answer.rows.tolist() for answer in answers] == expected


def test_a_customer_who_owns_the_2000_best_still_gets_k(index, outputs, bias):
    query = some_queries(1)
    best = dense(outputs, bias, query[0], [])
    (answer,) = rank(index, query, [10], [np.array(best[:2000])])

    assert answer.rows.tolist() == best[2000:2010]


def test_the_shortfall_is_what_the_catalogue_lacks(index):
    (answer,) = rank(index, some_queries(1), [10], [np.arange(ITEMS - 4)])

    assert sorted(answer.rows.tolist()) == [2496, 2497, 2498, 2499]


@pytest.mark.parametrize("allowed", [5, 200, 2000])
def test_an_allow_list_is_ranked_exactly_however_long(index, outputs, bias, allowed):
    query, only = some_queries(1), np.random.default_rng(3).permutation(ITEMS)[:allowed]
    excluded = np.array(dense(outputs, bias, query[0], [], only.tolist())[:3])
    (answer,) = rank(index, query, [10], [excluded], [only])

    assert answer.rows.tolist() == dense(outputs, bias, query[0], excluded, only.tolist())[:10]


def test_withdrawn_products_are_never_given_and_are_replaced(index, outputs, bias):
    query = some_queries(1)
    best = dense(outputs, bias, query[0], [])
    index.set_bias(np.array(best[:300]), np.full(300, -np.inf, np.float32))
    wide, narrow = rank(index, query[[0, 0]], [10, 10], [NOTHING] * 2, [None, np.array(best[298:302])])

    assert wide.rows.tolist() == best[300:310]
    assert narrow.rows.tolist() == best[300:302]


def test_similar_products_are_ranked_by_the_same_function(outputs):
    similar = SimilarItems.build(outputs, np.zeros_like(outputs))
    (answer,) = rank(similar, similar.direction(np.array([6]))[None, :], [10], [np.array([6])])

    assert len(answer.rows) == 10
    assert 6 not in answer.rows.tolist()


def test_the_reasons_are_the_purchases_that_contribute_most():
    vectors = np.array([[1, 0], [0, 1], [0, 2], [-1, -1]], np.float32)
    outputs = np.array([[3, 0.1], [0, 5], [-1, 0]], np.float32)
    recommended = [np.array([0, 1, 2]), np.array([0])]
    reasons = because(vectors, outputs.__getitem__, of_rows([0, 1, 2, 3], []), recommended, weights=AFFINITY)

    assert reasons == [[[0, 2], [2, 1], [3]], [[]]]


def same_output(rows):
    return np.ones((len(rows), 1), np.float32)


def test_a_recent_purchase_is_a_better_reason_than_an_old_one():
    vectors = np.array([[1.0], [1.1]], np.float32)
    history = of_rows([0, 1], weights=[1, 0.5])
    reasons = because(vectors, same_output, history, [np.array([0])], most=1, weights=AFFINITY)

    assert reasons == [[[0]]]


def test_the_reasons_of_a_great_buyer_come_from_the_weightiest_purchases():
    vectors = np.ones((2000, 1), np.float32)
    vectors[1999] = 1e9  # the greatest contribution, but the lightest weight
    weights = np.linspace(1, 0.5, 2000)
    (reasons,) = because(vectors, same_output, of_rows(range(2000), weights=weights), [np.array([0])], weights=AFFINITY)

    assert reasons == [[0, 1]]


def test_shown_scores_keep_the_order_between_zero_and_one():
    shown = display_scores(np.array([-1e9, -2, 0.5, 1, 4, 1e9]), ScoreScale(0.5, 2.0))

    assert shown[2] == 0.5
    assert shown.tolist() == sorted(shown.tolist())
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_on_its_own_scale_the_last_product_of_a_typical_answer_shows_one_half(index):
    (answer,) = rank(index, some_queries(1), [10], [np.array([3, 4])])
    shown = display_scores(answer.scores, score_scale([answer]))

    assert (shown[0], shown[-1]) == (pytest.approx(1 / (1 + np.exp(-2))), pytest.approx(0.5))


def test_a_catalogue_of_equals_has_a_scale_too():
    index = ItemIndex.build(np.zeros((5, 2), np.float32), np.zeros(5, np.float32))

    assert score_scale(rank(index, np.zeros((4, 2), np.float32), [3] * 4, [NOTHING] * 4)).spread > 0


def test_the_default_scoring_is_the_one_found_without_validation():
    assert Scoring() == Scoring(scale=1.0, popularity_weight=0.5, recency=0.9, trend_weight=1.0, trend_days=14)
