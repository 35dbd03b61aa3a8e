"""What is judged is what serves, also where a catalogue is so large that it is searched by lists."""

from dataclasses import replace

import numpy as np
import pytest

from model.embeddings.parameters import TrainingParameters
from model.index.item_index import LARGE, ItemIndex
from model.offline.recommender import OfflineRecipe, learn_offline, put_together
from model.progress import silent
from model.purchases.changes import LogRecord
from model.purchases.histories import distinct, part_of
from model.ranking.model import unbound_model
from model.ranking.parameters import CalibrationReport, Ranking, Scoring, Weights
from model.signals.demand import Demand
from model.signals.product_votes import VoteParameters
from model.snapshots.metadata import versions
from model.snapshots.reader import open_snapshot
from model.snapshots.writer import write_snapshot
from model.store.reader import read_contents
from model.training.contenders import Moment, next_products
from model.training.learning import learn
from serving.recommendation.request import Request
from tests.builders.learnt import recipe
from tests.builders.shop_histories import shop_histories
from tests.builders.small_shop import DAY_S, NOW_S, announcement, open_shop, open_store, purchase

CUSTOMERS, REGULAR, LIKED, CORNERS, K = 1_100, 20, 10, 60, 10
PRODUCTS = LARGE + 1_000
PARAMETERS = TrainingParameters(vector_size=16, epochs=2, min_count=1, min_customers=10, scale_to_data=False)
VOTES = VoteParameters(most=200)  # of so many products the table is learnt in no time


def orders():
    """Every product is bought; a customer buys in one corner of the catalogue, and somebody else's best sellers."""
    random = np.random.default_rng(5)
    names = np.array([f"p-{number}" for number in range(PRODUCTS)])
    for customer in range(CUSTOMERS):
        corner = np.arange(customer % CORNERS, PRODUCTS, CORNERS)
        turn = customer // CORNERS * REGULAR
        regular = corner[np.arange(turn, turn + REGULAR) % len(corner)]
        liked = random.choice(corner, LIKED, replace=False, p=_falling(len(corner)))
        best = random.choice(200, 2, replace=False)
        bought = dict.fromkeys(np.concatenate((regular, liked, best)).tolist())
        time_s = NOW_S - (60 - customer % 60) * DAY_S
        yield purchase(f"c-{customer}", *names[list(bought)].tolist(), time_s=time_s)


def _falling(size):
    shares = 1 / np.arange(1, size + 1)
    return shares / shares.sum()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store with the purchases of a large catalogue."""
    folder = tmp_path_factory.mktemp("large")
    store = open_store(folder)
    store.apply([LogRecord(0, offset, order) for offset, order in enumerate(orders())])
    store.close()
    return folder


@pytest.fixture(scope="module", params=[Weights(), None], ids=["both stages", "index alone"])
def draft(request, folder):
    """A model of it, which ranks by these weights."""
    report = CalibrationReport(source="learnt", windows=1, customers=100, ndcg={}, at_s=0.0)
    ranking = Ranking(scoring=Scoring(), weights=request.param, votes=VOTES, calibration=report)
    contents = read_contents(folder / "alsobought.db")
    return learn(contents, recipe(parameters=PARAMETERS), None, silent, 1.0, ranking=ranking)


@pytest.fixture
def served(folder, draft):
    """By customer number, what the service answers."""
    write_snapshot(folder / "models", draft, "20261124T101500Z")
    shop = open_shop(folder, with_model=False)
    shop.serve(announcement(folder, len(versions(folder / "models"))))
    assert shop.models.live[""].model.index.form.lists > 0, "the service searches lists"
    profiles = [f"c-{customer}" for customer in range(CUSTOMERS)]
    numbers = shop.store.histories(profiles).customers.tolist()
    answers = shop.recommender.answer([Request(profile, k=K) for profile in profiles])
    shop.store.close()
    return {number: [item.number for item in answer.items] for number, answer in zip(numbers, answers, strict=True)}


def moment(contents):
    """Now, for every customer."""
    histories = contents.histories
    demand = Demand()
    demand.add(histories.products, histories.times)
    withdrawn = np.zeros(len(contents.products), bool)
    return Moment(histories, histories.customers.astype(np.int64), distinct(histories), demand, withdrawn)


def test_the_service_the_gate_and_evaluate_give_the_same_products(folder, draft, served):
    contents = read_contents(folder / "alsobought.db")
    now, customers = moment(contents), contents.histories.customers.tolist()
    snapshot = open_snapshot(folder / "models", versions(folder / "models")[0])
    opened = snapshot.model.bind(snapshot.products.numbers.astype(np.int64))
    offline = put_together(
        contents.histories,
        [product.key for product in contents.products],
        draft.item2vec,
        OfflineRecipe(PARAMETERS, weights=draft.model.ranking.weights, votes=VOTES),
    ).with_table(draft.model.votes)

    for shown in (
        next_products(draft.model, now, K),
        next_products(opened, now, K),
        offline.recommend(np.arange(len(customers)), K),
    ):
        assert dict(zip(customers, shown.tolist(), strict=True)) == served

    assert len(draft.item2vec.keys) > LARGE
    exact = replace(offline.model, index=ItemIndex.build(draft.item2vec.outputs, offline.model.index.bias))
    shown = replace(offline, model=exact).recommend(np.arange(len(customers)), K)
    assert dict(zip(customers, shown.tolist(), strict=True)) != served, "else this says nothing about the lists"


# -- one value, bound to some numbers at some time


@pytest.fixture(scope="module")
def small():
    """A model of sixty products, and its histories."""
    histories, keys = shop_histories()
    parameters = TrainingParameters(vector_size=16, epochs=3, scale_to_data=False, sample=0)
    return learn_offline(histories, keys, OfflineRecipe(parameters, votes=VoteParameters(regularisation=20)))


def best(model, small, positions=(0, 1, 2)):
    """The rows for these customers."""
    batch = model.batch(small.histories.customers[list(positions)].astype(np.int64), part_of(small.bought, positions))
    return [found.rows.tolist() for found in model.rank(batch, [20] * len(positions), batch.history.rows_of_each())]


def test_a_model_read_back_knows_no_product_until_it_is_bound(small):
    made = small.model
    read = unbound_model(
        vectors=made.vectors, index=made.index, ranking=made.ranking, votes=made.votes, centre=made.centre
    )
    history = read.encoder.history(small.bought)

    assert len(history.rows) == 0
    bound = read.bind(made.number_of_row, demand=made.demand).with_neighbours(small.histories)
    assert best(bound, small) == best(made, small)


def test_a_model_at_another_time_leaves_the_one_of_now_as_it_was(small):
    before, bias = best(small.model, small), small.model.index.bias
    withdrawn = np.zeros(61, bool)
    withdrawn[1:31] = True

    then = small.model.at(Demand(), small.histories, withdrawn)

    shown = {row for rows in best(then, small) for row in rows}
    assert not shown & set(small.model.row_of_number[1:31].tolist())
    assert best(small.model, small) == before
    np.testing.assert_array_equal(small.model.index.bias, bias)


def test_what_sells_and_what_is_withdrawn_is_in_the_next_answer_once_its_rows_are_refreshed(small):
    demand = Demand(enough=1)
    model = small.model.at(demand, small.histories, np.zeros(61, bool))
    (first, *_), *_ = best(model, small)
    model.withdrawn[first] = True
    sold = int(model.number_of_row[(first + 1) % 60])
    demand.add(np.full(50, sold), np.full(50, NOW_S))
    every = np.arange(60)

    model.refresh(every)

    assert first not in best(model, small)[0]
    scoring = model.ranking.scoring
    expected = demand.bias(model.number_of_row, scoring.popularity_weight, scoring.trend_weight)
    expected[first] = -np.inf
    np.testing.assert_array_equal(model.index.bias, expected)


def test_the_index_is_kept_where_only_recency_changes_and_made_anew_where_biases_do(small):
    scoring = small.recipe.scoring

    recent = small.with_scoring(replace(scoring, recency=0.7))
    popular = small.with_scoring(replace(scoring, popularity_weight=2.0))

    assert small.with_scoring(scoring) is small
    assert recent.model.index is small.model.index
    assert not np.array_equal(recent.model.centre, small.model.centre)
    expected = small.model.demand.bias(small.model.number_of_row, 2.0, scoring.trend_weight)
    np.testing.assert_array_equal(popular.model.index.bias, expected)
    assert popular.model.votes is recent.model.votes is small.model.votes
