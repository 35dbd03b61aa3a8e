"""Two brands and a small third one in one topic: each gets its own products, from its own model where it has one."""

import json

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.records import Record, purchase
from tests.kafka.support.running_shop import RunningShop, running_shop

THINGS = ("tea", "teapot", "cup", "sugar", "honey", "kettle")  # every brand sells products of these ids
CUSTOMERS = {"acme": 60, "zeta": 60, "tiny": 10}


@pytest.fixture(scope="module")
def mall(broker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("brands")
    settings = {"train_min_customers": "30", "train_min_new_events": "100", "train_max_wait_s": "1000"}
    with running_shop(broker, folder, role="both", **settings, gate_customers="0") as shop:
        shop.buy(*(order for brand, customers in CUSTOMERS.items() for order in orders_of(brand, customers)))
        eventually(lambda: shop.service.metric("alsobought_brand_models") == 2, "both large brands have a model", 90)
        yield shop


def orders_of(brand: str, customers: int) -> list[Record]:
    """Each customer buys four of the six things, in two orders."""
    return [
        purchase(
            f"{brand}-{number}",
            *(THINGS[(number + 2 * order + step) % len(THINGS)] for step in (0, 1)),
            brand_id=brand,
            event_id=f"{brand}-{number}-{order}",
        )
        for number in range(customers)
        for order in (0, 1)
    ]


def serving(shop: RunningShop) -> dict[str | None, str]:
    """Brand (None = every brand) -> the version that answers."""
    listed = json.loads(shop.service.get("/models/versions?model_type=recommendations")[1])
    return {row["brand_id"]: row["version"] for row in listed if row["state"] == "serving"}


def test_the_large_brands_have_models_of_their_own_and_the_small_one_has_not(mall):
    assert set(serving(mall)) == {None, "acme", "zeta"}
    assert mall.service.metric('alsobought_brand_model_products{brand="acme"}') == len(THINGS)


@pytest.mark.parametrize("brand", ["acme", "zeta"])
def test_a_brand_is_answered_by_its_own_model_with_its_own_products(mall, brand):
    reply = mall.ask(f"{brand}-7", brand_id=brand, k=2)

    assert (reply["model_version"], reply["degraded"]) == (serving(mall)[brand], None)
    assert {item["brand_id"] for item in reply["recommendations"]} == {brand}
    assert {item["product_id"] for item in reply["recommendations"]} == {THINGS[(7 + 4) % 6], THINGS[(7 + 5) % 6]}


def test_a_brand_with_too_little_data_is_answered_by_the_model_of_every_brand_with_its_own_products(mall):
    reply = mall.ask("tiny-3", brand_id="tiny", k=2)

    assert (reply["model_version"], reply["degraded"]) == (serving(mall)[None], None)
    assert {item["brand_id"] for item in reply["recommendations"]} == {"tiny"}
    assert {item["strategy"] for item in reply["recommendations"]} == {"item2vec"}


def test_without_a_brand_the_model_of_every_brand_answers(mall):
    assert mall.ask("acme-8", k=3)["model_version"] == serving(mall)[None]


def test_one_brand_learns_again_while_the_other_is_answered_from_the_model_it_has(mall):
    before = serving(mall)
    mall.buy(*(purchase(f"new-{number}", "tea", "cup", "honey", brand_id="acme") for number in range(110)))

    answers = []

    def learnt_again() -> bool:
        answers.append(mall.ask("zeta-7", brand_id="zeta", k=2)["model_version"])
        return serving(mall)["acme"] != before["acme"]

    eventually(learnt_again, "acme has a new model", 90)

    assert set(answers) == {before["zeta"]}


def test_live_accuracy_is_told_by_brand(mall):
    mall.buy(*(purchase(f"zeta-{number}", THINGS[(number + 4) % 6], brand_id="zeta") for number in range(5)))
    mall.buy(purchase("tiny-5", "never-seen", brand_id="tiny"))
    judged = "alsobought_judged_purchases_total"
    eventually(lambda: mall.service.metric(judged + '{brand="zeta"}') >= 5, "the purchases are judged")
    eventually(lambda: mall.service.metric(judged + '{brand="tiny"}') == 1, "the small brand's, too")

    assert mall.service.metric('alsobought_hits_total{brand="zeta",by="model"}') >= 5
    assert mall.service.metric('alsobought_hits_total{brand="tiny",by="model"}') == 0
