"""What is recommended to whom: a really learnt model, a real store, and no Kafka."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from model.catalogue.product import Product
from model.ranking.model import RankingModel
from serving.recommendation.request import Request
from tests.builders.small_shop import BRANDED, CAMPING, DAY_S, NOW_S, TEA, SmallShop, announcement, learn


def scores(answer, kind):
    return [item.score for item in answer.items if item.kind == kind]


def strategies(answer):
    return {item.strategy for item in answer.items}


# -- recs


def test_who_buys_tea_is_offered_tea_things_and_who_camps_camping_things(shop):
    shop.buy("ada", "tea", "cup")
    shop.buy("bob", "tent", "rope")

    ada, bob = shop.ask("ada", k=4), shop.ask("bob", k=4)

    assert set(shop.ids(ada)) < set(TEA)
    assert set(shop.ids(bob)) < set(CAMPING)
    assert (ada.degraded, bob.degraded, strategies(ada)) == (None, None, {"item2vec"})


def test_the_answer_says_which_model_it_is_of(shop):
    shop.buy("ada", "tea")

    assert shop.ask("ada").model_version == shop.models.live[""].version


def test_the_only_purchase_is_the_reason(shop):
    shop.buy("ada", "tea")

    assert {tuple(shop.names(item.because)) for item in shop.ask("ada", k=4).items} == {("tea",)}


def test_what_was_bought_is_not_offered_again_unless_asked_for(shop):
    shop.buy("ada", *TEA[:5])

    assert not set(shop.ids(shop.ask("ada", k=20))) & set(TEA[:5])
    assert set(TEA[:5]) & set(shop.ids(shop.ask("ada", k=8, exclude_purchased=False)))


def test_a_product_is_no_reason_for_itself(shop):
    shop.buy("ada", "tea", "cup")

    items = shop.ask("ada", k=8, exclude_purchased=False).items

    assert all(item.number not in item.because for item in items)


def test_the_newest_purchase_is_in_the_next_answer_without_training(shop):
    shop.buy("eve", "tea", time_s=NOW_S)
    before = shop.ids(shop.ask("eve", k=3))
    shop.buy("eve", "tent", "stove", "lamp", time_s=NOW_S + 600)

    after = shop.ids(shop.ask("eve", k=3))

    assert set(before) <= set(TEA)
    assert set(after) & set(CAMPING)


def test_what_suddenly_sells_moves_up_without_training(shop):
    shop.buy("ada", "tea")
    before = shop.ids(shop.ask("ada", k=6))
    for number in range(400):
        shop.buy(f"fan-{number}", "honey", time_s=NOW_S + number)

    after = shop.ids(shop.ask("ada", k=6))

    assert after.index("honey") < before.index("honey")


def test_a_basket_counts_as_the_latest_order_and_is_not_offered(shop):
    answer = shop.ask("nobody-yet", k=4, product_ids=("tent", "stove"))

    assert answer.degraded is None
    assert set(shop.ids(answer)) <= set(CAMPING) - {"tent", "stove"}


def test_the_basket_of_one_is_not_the_basket_of_the_next(shop):
    shop.buy("ada", "tea")
    requests = [Request("ada", k=3), Request("ada", k=3, product_ids=("tent", "stove", "lamp")), Request("ada", k=3)]

    first, basket, last = shop.recommender.answer(requests)

    assert first == last
    assert set(shop.ids(basket)) & set(CAMPING)


# -- filters


def test_what_is_excluded_is_replaced_by_the_next_best(shop):
    shop.buy("ada", "tea")
    best = shop.ids(shop.ask("ada", k=5))

    assert shop.ids(shop.ask("ada", k=4, exclude=(best[0], "never heard of"))) == best[1:]


def test_only_what_may_be_shown_is_shown_whatever_is_known_of_it(shop):
    shop.put_in_catalogue(Product("", "gong", 9.0, "Gong"))
    shop.buy("ada", "tea")
    shop.buy("bob", "oddity")

    answer = shop.ask("ada", k=9, only=("tent", "oddity", "gong", "never heard of"))

    assert [(shop.names([item.number])[0], item.strategy) for item in answer.items] == [
        ("tent", "item2vec"),
        ("oddity", "popular"),
        ("gong", "popular"),
    ]
    assert (answer.asked, answer.degraded) == (9, None)


def test_only_products_the_model_does_not_know_is_said(shop):
    shop.buy("ada", "tea")
    shop.buy("bob", "oddity")

    answer = shop.ask("ada", only=("oddity",))

    assert (shop.ids(answer), answer.degraded) == (["oddity"], "unknown_products")


def test_an_empty_list_of_what_may_be_shown_shows_nothing(shop):
    shop.buy("ada", "tea")

    for kind in ("recs", "similar", "popular", "all"):
        assert shop.ask("ada", kind=kind, only=()).items == []


def test_a_brand_is_offered_its_own_products_only(shop):
    shop.buy("bea", "mug", brand="acme")

    answer = shop.ask("bea", k=10, brand_id="acme")

    assert set(shop.ids(answer)) == {f"acme/{id_}" for id_ in BRANDED if id_ != "mug"}


def test_the_same_id_in_two_brands_is_two_products(shop):
    shop.buy("bea", "mug", brand="acme")

    offered = shop.ids(shop.ask("bea", k=40))

    assert "acme/mug" not in offered
    assert "zeta/mug" in offered


def test_an_id_without_a_brand_excludes_it_in_every_brand(shop):
    shop.buy("bea", "jug", brand="acme")

    assert not {"acme/mug", "zeta/mug"} & set(shop.ids(shop.ask("bea", k=40, exclude=("mug",))))


def test_a_brand_nobody_knows_has_nothing_to_offer(shop):
    shop.buy("ada", "tea")

    answer = shop.ask("ada", brand_id="nobody", kind="all")

    assert answer.items == []


def test_a_brands_own_model_answers_for_the_brand(shop):
    shop.serve(learn(shop.folder, "acme"))
    shop.buy("bea", "mug", brand="acme")

    of_brand, of_all = shop.ask("bea", brand_id="acme", k=3), shop.ask("bea", k=3)

    assert of_brand.model_version == shop.models.live["acme"].version != of_all.model_version
    assert {shop.product(item.number).brand for item in of_brand.items} == {"acme"}


# -- k is met, or not and known


def test_k_is_met_for_a_customer_who_owns_two_thousand_products(shop):
    owned = [f"book-{number}" for number in range(2000)]
    shop.buy("collector", *owned, *TEA[:3], *CAMPING[:3])

    answer = shop.ask("collector", k=8)

    assert (len(answer.items), answer.asked) == (8, 8)
    assert not set(shop.ids(answer)) & {*owned, *TEA[:3], *CAMPING[:3]}


def test_a_customer_who_owns_everything_gets_nothing(shop):
    shop.buy("collector", *TEA, *CAMPING)
    for brand in ("acme", "zeta"):
        shop.buy("collector", *BRANDED, brand=brand)

    answer = shop.ask("collector", kind="all", k=3)

    assert (answer.items, answer.asked) == ([], 9)


# -- similar


def test_what_is_bought_in_the_same_company_as_a_product_is_similar(shop):
    answer = shop.ask("anybody", kind="similar", k=2, product_ids=("tent",))

    assert set(shop.ids(answer)) <= set(CAMPING) - {"tent"}
    assert (strategies(answer), answer.degraded) == ({"similar"}, None)
    assert {tuple(shop.names(item.because)) for item in answer.items} == {("tent",)}


def test_several_products_are_looked_at_together(shop):
    answer = shop.ask("anybody", kind="similar", k=3, product_ids=("tent", "tent", "axe", "unheard of"))

    assert set(shop.ids(answer)) <= set(CAMPING) - {"tent", "axe"}
    assert {tuple(shop.names(item.because)) for item in answer.items} == {("tent", "axe")}


def test_without_a_product_similar_looks_around_the_latest_order(shop):
    shop.buy("ada", "tea", "cup", time_s=NOW_S)
    shop.buy("ada", "tent", "axe", time_s=NOW_S + DAY_S)

    answer = shop.ask("ada", kind="similar", k=3)

    assert shop.ids(answer) == shop.ids(shop.ask("bob", kind="similar", k=3, product_ids=("tent", "axe")))


def test_similar_to_a_product_nobody_knows_is_filled_with_what_sells_and_said(shop):
    answer = shop.ask("ada", kind="similar", k=3, product_ids=("unheard of",))

    assert (answer.degraded, strategies(answer), len(answer.items)) == ("unknown_products", {"popular"}, 3)


def test_similar_for_a_customer_without_purchases_is_what_sells(shop):
    answer = shop.ask("nobody-yet", kind="similar", k=3)

    assert (answer.degraded, strategies(answer)) == ("new_customer", {"popular"})


def test_the_page_itself_is_never_offered_not_even_as_a_best_seller(shop):
    answer = shop.ask("anybody", kind="similar", k=60, product_ids=("tea",), exclude_purchased=False)

    assert "tea" not in shop.ids(answer)


# -- popular, all


def test_popular_is_what_sells_lately_best_first(shop):
    for number in range(50):
        shop.buy(f"fan-{number}", "rope")
    shop.buy("ada", "rope")

    assert shop.ids(shop.ask("bob", kind="popular", k=1)) == ["rope"]
    assert "rope" not in shop.ids(shop.ask("ada", kind="popular", k=5))
    assert shop.ask("bob", kind="popular", k=1).degraded is None


def test_all_is_k_of_each_kind_and_each_says_its_kind(shop):
    shop.buy("ada", "tea")

    answer = shop.ask("ada", kind="all", k=4)

    assert [item.kind for item in answer.items] == ["recs"] * 4 + ["similar"] * 4 + ["popular"] * 4
    assert (answer.asked, answer.degraded) == (12, None)


# -- when the model has nothing to say


def test_a_new_customer_gets_what_sells(shop):
    answer = shop.ask("nobody-yet", k=5)

    assert (answer.degraded, answer.known, strategies(answer), len(answer.items)) == (
        "new_customer", False, {"popular"}, 5,
    )  # fmt: skip


def test_a_history_the_model_does_not_know_gets_what_sells(shop):
    shop.buy("bob", "oddity")

    answer = shop.ask("bob", k=5)

    assert (answer.degraded, answer.known, strategies(answer)) == ("unknown_history", True, {"popular"})


@pytest.mark.parametrize("kind", ["recs", "similar", "all"])
def test_without_a_model_customers_get_what_sells(untrained_shop, kind):
    untrained_shop.buy("ada", "tea")

    answer = untrained_shop.ask("ada", kind=kind, k=5)

    assert (answer.degraded, answer.model_version, strategies(answer)) == ("no_model", None, {"popular"})


def test_after_a_turn_no_answer_looks_at_every_product(untrained_shop, monkeypatch):
    looked_at, order = [], untrained_shop.demand.sales_order
    untrained_shop.buy("c-new", *(f"novelty-{i}" for i in range(5000)))
    monkeypatch.setattr(
        untrained_shop.demand, "sales_order", lambda products: looked_at.append(len(products)) or order(products)
    )

    untrained_shop.recommender.turn()
    before, looked_at[:] = max(looked_at), []
    untrained_shop.ask("nobody-yet")

    assert before >= 5000
    assert max(looked_at) < 100


def test_without_a_model_new_customers_are_still_new(untrained_shop):
    assert untrained_shop.ask("nobody-yet").degraded == "new_customer"


class Broken:
    """A model's index that fails at the customers who have a history of this length, and counts."""

    def __init__(self, index, fails):
        self.index, self.fails, self.searches = index, fails, 0

    def __len__(self):
        return len(self.index)

    def __getattr__(self, name):
        return getattr(self.index, name)

    def search(self, queries, k):
        self.searches += 1
        if self.fails(queries):
            raise RuntimeError("a page of the index is gone")
        return self.index.search(queries, k)


def break_model(shop: SmallShop, fails):
    model = shop.models.live[""]
    model.model = replace(model.model, index=Broken(model.model.index, fails))
    model.similar = Broken(model.similar, fails)
    return model


def test_a_model_that_throws_costs_only_the_request_it_throws_at(shop):
    shop.buy("poison", *TEA[:4], *CAMPING[:4])
    requests = [Request(profile, k=3) for profile in ("c-0", "c-1", "poison", "c-2", "c-3", "c-4")]
    whole = shop.recommender.answer(requests)
    seen = []
    break_model(shop, seen.append)
    shop.recommender.answer([requests[2]])
    (poison,) = seen[0]
    break_model(shop, lambda queries: any(np.allclose(query, poison, atol=1e-4) for query in queries))

    with capture_logs():
        answers = shop.recommender.answer(requests)

    assert (answers[2].degraded, strategies(answers[2]), len(answers[2].items)) == ("model_error", {"popular"}, 3)
    assert answers[:2] + answers[3:] == whole[:2] + whole[3:]


@pytest.mark.parametrize("kind", ["recs", "similar", "all"])
def test_a_model_that_always_throws_leaves_what_sells(shop, kind):
    break_model(shop, lambda _: True)

    with capture_logs() as logs:
        answers = shop.recommender.answer([Request(f"c-{number}", kind=kind, k=3) for number in range(20)])

    assert [line["event"] for line in logs] == ["model_failed"]
    assert {answer.degraded for answer in answers} == {"model_error"}
    assert {len(answer.items) for answer in answers} == {9 if kind == "all" else 3}


# -- withdrawn products


def withdrawn(product_id, **changes):
    return Product("", product_id, withdrawn=True)._replace(**changes)


@pytest.mark.parametrize("kind", ["recs", "similar", "popular", "all"])
def test_a_withdrawn_product_is_gone_at_once_and_comes_back(shop, kind):
    shop.buy("ada", "tea")
    asked = {"kind": kind, "k": 40, "exclude_purchased": False, "product_ids": ("tea",)}
    before = shop.ids(shop.ask("ada", **asked))
    shop.put_in_catalogue(withdrawn("cup"))
    without = shop.ids(shop.ask("ada", **asked))
    shop.put_in_catalogue(Product("", "cup", title="Cup"))

    assert "cup" in before
    assert "cup" not in without
    assert "cup" in shop.ids(shop.ask("ada", **asked))


def test_a_withdrawn_product_is_not_shown_even_where_only_it_is_asked_for(shop):
    shop.put_in_catalogue(withdrawn("cup"))
    shop.buy("ada", "tea")

    assert shop.ask("ada", only=("cup",)).items == []


def test_a_model_that_comes_later_does_not_bring_withdrawn_products_back(untrained_shop):
    shop = untrained_shop
    shop.put_in_catalogue(withdrawn("cup"))
    shop.serve(announcement(shop.folder, 1))
    shop.buy("ada", "tea")

    assert "cup" not in shop.ids(shop.ask("ada", k=40))


# -- whatever is asked

IDS = st.lists(st.sampled_from([*TEA, *CAMPING, *BRANDED, "oddity", "unheard of"]), max_size=4).map(tuple)
REQUESTS = st.builds(
    Request,
    profile_id=st.sampled_from([*(f"c-{number}" for number in range(12)), "b-1", "b-2", "odd", "nobody-yet"]),
    brand_id=st.sampled_from([None, None, None, "acme", "nobody"]),
    kind=st.sampled_from(["recs", "similar", "popular", "all"]),
    k=st.integers(1, 30),
    product_ids=IDS,
    exclude=IDS,
    only=st.none() | st.none() | IDS,
    exclude_purchased=st.booleans(),
)
ANY_SHOP = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@ANY_SHOP
@given(requests=st.lists(REQUESTS, min_size=1, max_size=25))
def test_a_batch_is_answered_as_its_requests_one_by_one(shop, requests):
    together = shop.recommender.answer(requests)
    alone = [shop.recommender.answer([request])[0] for request in requests]

    for one, other in zip(together, alone, strict=True):
        assert (one.degraded, one.asked, one.model_version) == (other.degraded, other.asked, other.model_version)
        assert [item.score for item in one.items] == pytest.approx([item.score for item in other.items], abs=1e-4)
        assert sorted(shop.ids(one)) == sorted(shop.ids(other))


@ANY_SHOP
@given(request=REQUESTS)
def test_no_answer_breaks_its_promises(shop, request):
    answer = shop.recommender.answer([request])[0]

    unwanted = {number for brand in shop.store.brands for id_ in (*request.exclude, *request.product_ids)
                if (number := shop.store.number_of(brand, id_)) and request.brand_id in (None, brand)}  # fmt: skip
    if request.exclude_purchased:
        unwanted |= set(shop.store.histories([request.profile_id]).products.tolist())
    for kind in ("recs", "similar", "popular"):
        numbers = [item.number for item in answer.items if item.kind == kind]
        shown = scores(answer, kind)
        assert len(numbers) == len(set(numbers)) <= request.k
        assert not unwanted & set(numbers)
        assert shown == sorted(shown, reverse=True)
        assert all(0 <= score <= 1 for score in shown)
    if request.only is not None:
        assert {shop.product(item.number).product_id for item in answer.items} <= set(request.only)
    if request.brand_id is not None:
        assert {shop.product(item.number).brand for item in answer.items} <= {request.brand_id}


@ANY_SHOP
@given(requests=st.lists(REQUESTS, min_size=1, max_size=25))
def test_what_the_history_holds_is_left_out_as_if_it_were_named(shop, requests, ask_models):
    """Where purchases may not be shown again, the model leaves them out by itself: they need not be listed."""
    asked = []

    def both(model, batch, **how):
        shown = recommend(model, batch, **how)
        bought = [batch.histories.products[start:end] for start, end in pairwise(batch.histories.starts.tolist())]
        rows = [rows_of(model, numbers) for numbers in bought]
        named = replace(
            batch,
            repeats=[True] * len(batch),
            excluded=[
                excluded if repeats else np.union1d(excluded, mine)
                for excluded, repeats, mine in zip(batch.excluded, batch.repeats, rows, strict=True)
            ],
        )
        asked.append((shown, recommend(model, named, **how)))
        return shown

    recommend = ask_models(both)
    shop.recommender.answer(requests)

    for one, other in asked:
        assert [*map(np.ndarray.tolist, arrays(one))] == [*map(np.ndarray.tolist, arrays(other))]


def rows_of(model, numbers):
    rows = model.row_of_number[numbers[numbers < len(model.row_of_number)]]
    return rows[rows >= 0]


def arrays(shown):
    return shown.starts, shown.rows, shown.scores, shown.reasons, shown.able


@pytest.fixture
def ask_models(monkeypatch):
    """Lets every model recommend by another function, which may ask the real one that is returned."""
    real = RankingModel.recommend

    def by(function):
        monkeypatch.setattr(RankingModel, "recommend", function)
        return real

    return by


def test_a_score_that_is_no_number_is_the_models_fault(shop, ask_models):
    shop.buy("ada", "tea")

    def without_scores(model, batch, **how):
        shown = recommend(model, batch, **how)
        return replace(shown, scores=np.full_like(shown.scores, np.nan))

    recommend = ask_models(without_scores)
    with capture_logs():
        answer = shop.ask("ada", k=3)

    assert (answer.degraded, strategies(answer), len(answer.items)) == ("model_error", {"popular"}, 3)
