"""Two workers and a trainer of its own, as on three machines: models travel by reference, requests to their owner."""

from dataclasses import dataclass

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load
from tests.kafka.support.records import Record, Shape, purchase, request
from tests.kafka.support.running_shop import RunningShop, running_shop
from tests.kafka.support.service import Service

pytestmark = pytest.mark.needs_real_broker(one=True)

CUSTOMERS = [f"c-{number}" for number in range(60)]


@dataclass(frozen=True)
class Plant:
    """`shop.service` is the first worker."""

    shop: RunningShop
    second: Service
    trainer: Service


@pytest.fixture(scope="module")
def plant(broker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("roles")
    settings = {"models_dir": str(folder / "models"), "train_min_new_events": "200"}
    quick = '{"session.timeout.ms": "3000", "heartbeat.interval.ms": "300"}'
    with running_shop(broker, folder, kafka_properties=quick, **settings) as shop:
        group = shop.service.environment["ALSOBOUGHT_GROUP_ID"]
        second = Service(
            broker, shop.topics, folder / "second", group=group, role="worker",
            settings=settings | {"kafka_properties": quick},
        )  # fmt: skip
        trainer = Service(broker, shop.topics, folder / "trainer", group=group, role="trainer", settings=settings)
        try:
            second.start()
            trainer.start()
            shop.buy(*load.purchases(600, seed=9))
            for worker in (shop.service, second):
                share = "alsobought_partitions_owned"
                eventually(lambda: worker.metric(share) == 3, "each has its half", 30)  # noqa: B023
                eventually(lambda: worker.metric("alsobought_model_version") > 0, "the model answers", 60)  # noqa: B023
            yield Plant(shop, second, trainer)
        finally:
            second.kill()
            trainer.kill()


def test_one_trainer_teaches_both_workers(plant):
    topics, client = plant.shop.topics, plant.shop.client
    asked = client.request_each(topics.requests, ({"profile_id": name} for name in CUSTOMERS), topics.replies)
    replies = [client.reply(topics.replies, correlation).json for correlation in asked]
    learnt = [reply for reply in replies if reply["degraded"] is None]

    assert {reply["watermark"]["partition"] for reply in learnt} == set(range(6))
    assert len({reply["model_version"] for reply in learnt}) == 1
    assert {item["strategy"] for reply in learnt for item in reply["recommendations"]} >= {"item2vec"}


def test_a_trainer_answers_no_requests_and_owns_every_partition_of_purchases(plant):
    metrics = plant.trainer.metrics()

    assert metrics["alsobought_partitions_owned"] == 6
    assert sum(value for name, value in metrics.items() if name.startswith("alsobought_answers_total")) == 0


def test_a_request_on_the_other_workers_partition_is_told_how_to_find_its_own(plant):
    topics, client = plant.shop.topics, plant.shop.client
    ((home, _),) = plant.shop.buy(purchase("c-9", "p-1"))
    addressed = request({"profile_id": "c-9"}, Shape.SPRING, topics.replies)
    moved = Record(addressed.record.key, addressed.record.value, addressed.record.headers, partition=(home + 3) % 6)
    client.send(topics.requests, moved)
    error = client.reply(topics.replies, addressed.correlation).json["error"]

    assert (error["code"], error["field"]) == ("wrong_partition", "key")
    assert "murmur2_random" in error["message"]
