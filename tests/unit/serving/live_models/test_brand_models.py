"""Many brands on one worker: whose model answers, what the metrics say of each, and no stampede while models open."""

import threading
import time

import pytest

from consumers.observability.brand_labels import BrandLabels
from serving.live_models import live_models
from serving.live_models.live_model import open_model
from tests.builders.small_shop import BRANDED, learn


@pytest.fixture
def branded(shop):
    """The small shop in which acme has a model of its own and zeta has none."""
    shop.serve(learn(shop.folder, "acme"))
    return shop


def metric(shop, name, **labels):
    return shop.metrics.registry.get_sample_value(f"alsobought_{name}", labels)


def brands(shop, answer):
    return {shop.product(item.number).brand for item in answer.items}


def test_a_brand_without_its_own_model_is_answered_by_the_one_of_every_brand_with_its_own_products(branded):
    answer = branded.ask("b-1", brand_id="zeta", k=2)

    assert answer.model_version == branded.models.live[""].version
    assert (brands(branded, answer), len(answer.items)) == ({"zeta"}, 2)


def test_a_brands_own_model_answers_for_its_customers(branded):
    answer = branded.ask("b-0", brand_id="acme", k=2)

    assert answer.model_version == branded.models.live["acme"].version
    assert brands(branded, answer) == {"acme"}


def test_a_customer_of_other_brands_only_is_answered_by_the_model_that_knows_them(branded):
    answer = branded.ask("b-1", brand_id="acme", k=3)

    assert (answer.model_version, answer.degraded) == (branded.models.live[""].version, None)
    assert (brands(branded, answer), len(answer.items)) == ({"acme"}, 3)


def test_a_page_of_another_brand_is_compared_by_the_model_that_knows_it(branded):
    branded.buy("c-0", "mug", brand="acme")

    asked = branded.ask("nobody", brand_id="acme", kind="similar", product_ids=("mug",), k=2)

    assert asked.model_version == branded.models.live["acme"].version
    assert set(branded.ids(asked)) <= {f"acme/{product}" for product in BRANDED}


def test_a_new_customer_of_a_brand_gets_what_sells_of_it(branded):
    answer = branded.ask("nobody", brand_id="acme", k=3)

    assert (answer.degraded, brands(branded, answer)) == ("new_customer", {"acme"})


def test_the_metrics_tell_of_each_brands_own_model(branded):
    own = branded.models.live["acme"]

    assert metric(branded, "brand_models") == 1
    assert metric(branded, "brand_model_products", brand="acme") == len(own.numbers)
    assert metric(branded, "brand_model_version", brand="acme") == 3
    assert metric(branded, "brand_model_version", brand="zeta") is None
    assert metric(branded, "model_version") == 1


def test_a_brand_whose_model_is_taken_away_leaves_the_metrics(branded):
    branded.models.announced("acme", None)

    assert metric(branded, "brand_models") == 0
    assert metric(branded, "brand_model_version", brand="acme") is None
    assert branded.ask("b-0", brand_id="acme").model_version == branded.models.live[""].version


def test_brands_beyond_the_limit_have_a_model_but_no_metrics_of_their_own(shop):
    shop.metrics.brand_label = BrandLabels(0)

    shop.serve(learn(shop.folder, "acme"))

    assert metric(shop, "brand_models") == 1
    assert metric(shop, "brand_model_version", brand="acme") is None
    assert metric(shop, "brand_model_version", brand="other") is None


def test_models_are_opened_one_at_a_time_while_requests_are_answered(shop, monkeypatch):
    acme, zeta = learn(shop.folder, "acme"), learn(shop.folder, "zeta")
    may_open, opening = threading.Event(), []

    def slow(*given):
        opening.append(given)
        assert may_open.wait(10)
        return open_model(*given)

    monkeypatch.setattr(live_models, "open_model", slow)
    for announced in (acme, zeta):
        shop.models.announced(announced.brand_id, announced)
    deadline = time.monotonic() + 10
    while not opening:
        assert time.monotonic() < deadline
    meanwhile = shop.ask("b-0", brand_id="acme").model_version, len(opening), shop.models.settled
    may_open.set()
    shop.settle()

    assert meanwhile == (shop.models.live[""].version, 1, True)
    assert set(shop.models.live) == {"", "acme", "zeta"}
