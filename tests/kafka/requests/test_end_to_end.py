"""A shop's purchases go in, recommendations come out: the whole service as a process of its own, on every broker."""

from typing import Any

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.load import CAMPING_THINGS, TEA_THINGS
from tests.kafka.support.records import product, purchase, tombstone

pytestmark = pytest.mark.every_broker


def offered(reply: Any) -> list[str]:
    return [item["product_id"] for item in reply["recommendations"]]


def test_purchases_become_a_model_that_keeps_two_kinds_of_customers_apart(trained):
    places = trained.buy(purchase("ada", "tea"), purchase("bob", "tent"))

    ada = trained.ask_after(places[0], "ada", k=4)
    bob = trained.ask_after(places[1], "bob", k=4)

    assert set(offered(ada)) == set(TEA_THINGS) - {"tea"}
    assert set(offered(bob)) == set(CAMPING_THINGS) - {"tent"}
    assert {item["strategy"] for item in ada["recommendations"]} == {"item2vec"}
    assert (ada["degraded"], ada["shortfall"]) == (None, None)


def test_the_newest_purchase_changes_the_next_answer_without_training(trained):
    before = trained.ask_after(trained.buy(purchase("eve", "tea"))[0], "eve", k=4)

    after = trained.ask_after(trained.buy(purchase("eve", "tent", "stove"))[0], "eve", k=4)

    assert set(offered(before)).isdisjoint(CAMPING_THINGS)
    assert not {"tea", "tent", "stove"} & set(offered(after))
    assert {"lamp", "mat", "rope"} & set(offered(after))
    assert after["model_version"] == before["model_version"]


def test_a_recommendation_names_the_purchases_that_speak_for_it(trained):
    place = trained.buy(purchase("gil", "tea"), purchase("gil", "tent"))[-1]
    answer = trained.ask_after(place, "gil", k=8)

    reasons = {item["product_id"]: item["because"][0] for item in answer["recommendations"] if item["because"]}
    assert reasons == dict.fromkeys(TEA_THINGS[1:], "tea") | dict.fromkeys(CAMPING_THINGS[1:], "tent")


def test_a_null_purchase_forgets_the_customer(trained):
    known = trained.ask_after(trained.buy(purchase("joe", "tea", "cup"))[0], "joe")
    forgotten = trained.ask_after(trained.buy(tombstone("joe"))[0], "joe", k=10)

    assert (known["degraded"], forgotten["degraded"]) == (None, "new_customer")
    assert {"tea", "cup"} <= set(offered(forgotten))
    assert {item["strategy"] for item in forgotten["recommendations"]} == {"popular"}


def test_a_customer_who_comes_back_after_being_forgotten_starts_anew(trained):
    again = purchase("kim", "lamp", event_id="kim-1")
    place = trained.buy(again, tombstone("kim"), again, purchase("kim", "honey"))[-1]
    answer = trained.ask_after(place, "kim", k=4)

    assert set(offered(answer)) == set(TEA_THINGS) - {"honey"}


def test_an_answer_carries_title_category_and_price_of_the_catalogue(trained):
    about = {"title": "A teapot of stone", "category": "kitchen", "price": 29.5}
    place = trained.buy(purchase("lea", "tea"))[0]
    trained.ask_after(place, "lea", k=4)  # shown once already, without these words
    trained.client.send(trained.topics.catalog, product("teapot", **about), product("other", title="Something else"))

    def shown() -> dict:
        found = {item["product_id"]: item for item in trained.ask_after(place, "lea", k=4)["recommendations"]}
        return {name: found["teapot"][name] for name in about}

    eventually(lambda: shown() == about, "the catalogue's words are in the answer")


def test_an_answer_carries_the_price_that_was_paid_last(trained):
    def shown(price: float) -> float:
        place = trained.buy(purchase("mia", items=[{"product_id": "honey", "price": price}]))[0]
        answer = trained.ask_after(place, "mia", k=10, exclude_purchased=False)
        return {item["product_id"]: item["price"] for item in answer["recommendations"]}["honey"]

    assert [shown(price) for price in (4.5, 4.5, 2.08)] == [4.5, 4.5, 2.08]
