"""A shop's purchases go in, recommendations come out: the whole service as a process of its own, on every broker."""

import pytest

from tests.kafka.brokers import eventually
from tests.kafka.records import purchase


def two_interests(customers: int) -> list:
    """Customers who buy either tea things or camping things, never both."""
    groups = (("tea", "teapot", "cup", "sugar", "honey"), ("tent", "stove", "lamp", "mat", "rope"))
    records = []
    for number in range(customers):
        group = groups[number % 2]
        for order in range(3):
            chosen = [group[(number // 2 + order + step) % 5] for step in range(2)]
            records.append(purchase(f"c-{number}", *chosen, event_id=f"o-{number}-{order}"))
    return records


def test_purchases_become_a_model_that_keeps_two_kinds_of_customers_apart(start_service, shop_topics, shop):
    topics = shop_topics()
    service = start_service(topics, train_min_new_events="100")
    shop.send(topics.purchases, *two_interests(120))
    shop.send(topics.purchases, purchase("ada", "tea"), purchase("bob", "tent"))
    eventually(lambda: service.metric("alsobought_model_version") > 0, "a model answers", timeout_s=60)

    ada = shop.ask(topics.requests, {"profile_id": "ada", "k": 4}, topics.replies).json
    bob = shop.ask(topics.requests, {"profile_id": "bob", "k": 4}, topics.replies).json

    assert {item["product_id"] for item in ada["recommendations"]} == {"teapot", "cup", "sugar", "honey"}
    assert {item["product_id"] for item in bob["recommendations"]} == {"stove", "lamp", "mat", "rope"}
    assert {tuple(item["because"]) for item in ada["recommendations"]} == {("tea",)}
    assert (ada["degraded"], ada["shortfall"]) == (None, None)
