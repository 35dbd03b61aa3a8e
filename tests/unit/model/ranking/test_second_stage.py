"""The second stage as it is served: what the gate judges, kept fresh by every purchase, and explained."""

import numpy as np
import pytest

from model.embeddings.parameters import TrainingParameters
from model.progress import silent
from model.purchases.changes import Forget, LogRecord
from model.purchases.histories import distinct
from model.ranking.parameters import CalibrationReport, Ranking, Scoring, Weights
from model.signals.demand import Demand
from model.signals.product_votes import VoteParameters
from model.snapshots.metadata import versions
from model.snapshots.reader import open_snapshot
from model.snapshots.writer import write_snapshot
from model.store.reader import read_contents
from model.training.contenders import Moment, next_products
from model.training.learning import learn
from tests.builders.learnt import recipe
from tests.builders.small_shop import (
    CAMPING,
    NOW_S,
    TEA,
    announcement,
    copied,
    everyday_purchases,
    open_shop,
    open_store,
    purchase,
)

BY_NEIGHBOURS = Weights(affinity=0.1, popularity=0, trend=0, neighbours=1, votes=0)
BY_VOTES = Weights(affinity=0.1, popularity=0, trend=0, neighbours=0, votes=1)


def trained(folder, weights):
    """A store with the everyday purchases, and a model that ranks by these weights."""
    store = open_store(folder)
    store.apply([LogRecord(0, offset, order) for offset, order in enumerate(everyday_purchases())])
    store.close()
    report = CalibrationReport(source="learnt", windows=1, customers=100, ndcg={}, at_s=0.0)
    votes = VoteParameters(regularisation=5.0)
    ranking = Ranking(scoring=Scoring(), weights=weights, votes=votes, calibration=report)
    parameters = TrainingParameters(vector_size=16, min_customers=10)
    draft = learn(
        read_contents(folder / "alsobought.db"), recipe(parameters=parameters), None, silent, 1.0, ranking=ranking
    )
    write_snapshot(folder / "models", draft, "20261124T101500Z")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder for each way to rank."""
    weighted = {"all": Weights(), "neighbours": BY_NEIGHBOURS, "votes": BY_VOTES}
    return {name: trained(tmp_path_factory.mktemp(name) / "shop", weights) for name, weights in weighted.items()}


@pytest.fixture
def opened(folders, tmp_path):
    """Opens a copy of the shop that ranks in the named way."""
    shops = []

    def open_copy(name):
        shop = open_shop(copied(folders[name], tmp_path / name), with_model=False)
        shop.serve(announcement(shop.folder, 1))
        shops.append(shop)
        return shop

    yield open_copy
    for shop in shops:
        shop.store.close()


def opened_model(folder):
    """The newest model, bound to the numbers of the database that it was learnt from."""
    snapshot = open_snapshot(folder / "models", versions(folder / "models")[0])
    return snapshot.model.bind(snapshot.products.numbers.astype(np.int64))


def test_the_service_answers_what_the_gate_judges(opened):
    shop = opened("all")
    histories = read_contents(shop.store.path).histories
    demand = Demand()
    demand.add(histories.products, histories.times)
    customers = histories.customers.astype(np.int64)
    withdrawn = np.zeros(len(shop.store.products()), bool)
    moment = Moment(histories, customers, distinct(histories), demand, withdrawn)
    judged = next_products(opened_model(shop.folder), moment, 5)

    profiles = [f"c-{n}" for n in range(200)] + [f"b-{n}" for n in range(60)]
    numbers = shop.store.histories(profiles).customers.tolist()
    served = {
        number: [item.number for item in shop.ask(profile, k=5).items]
        for number, profile in zip(numbers, profiles, strict=True)
    }

    assert len(served) == len(customers) == 260
    assert served == dict(zip(customers.tolist(), judged.tolist(), strict=True))


def test_what_a_similar_customer_has_just_bought_comes_first_in_the_next_answer(opened):
    shop = opened("neighbours")
    shop.buy("ada", *TEA[:3])
    before = shop.ids(shop.ask("ada", k=5))
    for number in range(30):
        shop.buy(f"fan-{number}", *TEA[:3], before[2])

    assert shop.ids(shop.ask("ada", k=1)) == [before[2]]


def test_the_forgotten_have_no_vote(opened):
    shop = opened("neighbours")
    shop.buy("ada", *TEA[:3])
    known = len(shop.models.live[""].model.neighbours)

    applied = shop.store.apply([LogRecord(0, shop.store.next_offset(0), Forget("ada"))])
    shop.models.buyers.changed(applied.gone)
    shop.models.turn()

    assert len(shop.models.live[""].model.neighbours) == known - 1


def test_neighbours_are_looked_at_only_while_there_is_time(opened):
    shop = opened("neighbours")
    model, neighbours = shop.models.live[""], shop.models.live[""].model.neighbours
    shop.models.buyers.load(read_contents(shop.store.path).histories)

    model.follow_buyers(shop.models.buyers, shop.store, 0.0)
    at_first = len(neighbours)
    model.follow_buyers(shop.models.buyers, shop.store, 10.0)

    assert at_first == 0
    assert len(neighbours) == 153, "as many bought something new in the last 30 days"


def test_customers_of_a_partition_that_is_another_workers_are_no_neighbours(opened):
    shop = opened("neighbours")
    shop.buy("ada", "tea")
    shop.store.close_log(0)
    shop.models.buyers.load(read_contents(shop.store.path).histories)
    shop.models.turn()

    assert len(shop.models.live[""].model.neighbours) == 0


def test_the_product_that_votes_is_the_reason(opened):
    shop = opened("votes")
    shop.buy("ada", "tea", "cup", "tent")

    for item in shop.ask("ada", k=6).items:
        (name,) = shop.names([item.number])
        own = set(TEA if name in TEA else CAMPING)
        assert set(shop.names(item.because)[:1]) <= own


def test_filters_hold_in_the_second_stage(opened):
    shop = opened("all")
    shop.buy("ada", "tea", "tent")

    allowed = shop.ask("ada", k=5, only=("cup", "stove"))
    shop.put_in_catalogue(shop.product(shop.store.number_of("", "cup"))._replace(withdrawn=True))

    assert set(shop.ids(allowed)) == {"cup", "stove"}
    assert "cup" not in shop.ids(shop.ask("ada", k=20))
    assert "stove" not in shop.ids(shop.ask("ada", k=20, exclude=("stove",)))


def test_a_basket_of_somebody_unknown_is_answered_too(opened):
    shop = opened("all")

    assert set(shop.ids(shop.ask("nobody-yet", k=3, product_ids=("tent", "stove")))) <= set(CAMPING)


def test_scores_fall_from_first_to_last_between_nought_and_one(opened):
    shop = opened("all")
    scores = [item.score for item in shop.ask("c-1", k=8).items]

    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_an_order_dated_long_ago_does_not_move_the_neighbours_back_in_time(opened):
    shop = opened("neighbours")
    neighbours = shop.models.live[""].model.neighbours
    now_s = neighbours.now_s

    applied = shop.store.apply([LogRecord(0, shop.store.next_offset(0), purchase("old", "tea", time_s=NOW_S // 2))])
    shop.models.buyers.changed(applied.buyers.tolist())
    shop.models.turn()

    assert neighbours.now_s == now_s
