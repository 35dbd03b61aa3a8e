"""HTTP beside the loop, in the running service: metrics that a Prometheus reads, health, readiness, versions."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load
from tests.kafka.support.running_shop import make_topics, named_topics
from tests.kafka.support.service import Service
from tests.kafka.support.shop_client import ShopClient


def families(service) -> dict:
    return {family.name: family for family in text_string_to_metric_families(service.get("/metrics")[1])}


def test_every_metric_of_ours_has_a_sentence_of_help(trained):
    ours = {name: family for name, family in families(trained.service).items() if name.startswith("alsobought_")}

    assert len(ours) > 20
    assert [name for name, family in ours.items() if not family.documentation.strip().endswith(".")] == []
    assert [name for name, family in ours.items() if family.type == "unknown"] == []


def test_no_label_holds_a_customer_or_a_product(trained):
    values = {
        value
        for family in families(trained.service).values()
        for sample in family.samples
        for value in sample.labels.values()
    }

    assert not values & {*load.TEA_THINGS, *load.CAMPING_THINGS}
    assert not [value for value in values if value.startswith("learnt-")]


def test_lag_is_counted_from_the_offsets_in_sqlite_and_falls_to_nothing(trained):
    def lags() -> list[float]:
        named = f'topic="{trained.topics.purchases}"'
        return [value for name, value in trained.service.metrics().items() if "lag_records" in name and named in name]

    eventually(lambda: lags() == [0.0] * 6, "all purchases are stored")


def test_health_and_readiness_say_so_in_json(trained):
    health, ready = trained.service.get("/health"), trained.service.get("/ready")

    assert (health[0], json.loads(health[1])["alive"]) == (200, True)
    assert (ready[0], json.loads(ready[1])) == (200, {"ready": True, "reasons": []})


def test_the_versions_of_the_model_are_listed_newest_first_with_the_one_that_answers(trained):
    status, text = trained.service.get("/models/versions?model_type=recommendations")
    listed = json.loads(text)
    (serving,) = [row for row in listed if row["state"] == "serving"]

    assert status == 200
    assert serving["version"] == trained.ask("nobody")["model_version"]
    assert [row["version"] for row in listed] == sorted((row["version"] for row in listed), key=number, reverse=True)


def number(version: str) -> int:
    return int(version[1:].partition("-")[0])


def test_another_type_of_model_is_refused_with_what_is_allowed(trained):
    status, text = trained.service.get("/models/versions?model_type=fraud")

    assert (status, json.loads(text)["allowed"]) == (400, ["recommendations"])


def look(service, seen: list) -> int:
    """Note the status of /health, and the status and text of /ready."""
    seen.append((service.get("/health")[0], *service.get("/ready")))
    return seen[-1][1]


@pytest.mark.needs_real_broker(one=True)
def test_it_is_alive_but_not_ready_while_it_restores(broker, tmp_path, prefix, group):
    topics = named_topics(prefix)
    make_topics(broker, topics)
    service = Service(broker, topics, tmp_path, group=group, role="worker", settings={"ingest_batch_records": "1"})
    with ShopClient(broker) as client:
        client.send(topics.purchases, *load.purchases(4000, seed=12))
    seen = []
    try:
        service.start(wait=False).url()
        eventually(lambda: look(service, seen) == 200, "it is ready", 30)
    finally:
        service.kill()

    assert {alive for alive, _, _ in seen} == {200}
    assert {status for _, status, _ in seen} == {200, 503}
    assert any("restoring partitions" in text for _, _, text in seen)
