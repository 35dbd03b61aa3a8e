"""The topics a service finds: made when missing, refused when they do not fit, told from others of the same name."""

import os
import signal

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load, oracle
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import make_topics, named_topics, running_shop
from tests.kafka.support.service import LOOKS_OFTEN, Service
from tests.kafka.support.shop_client import ShopClient

FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


@pytest.fixture
def service_of(broker, tmp_path, group):
    """`service_of(topics, **settings)`: a worker that is not started yet."""
    made = []

    def build(topics, **settings: str) -> Service:
        made.append(Service(broker, topics, tmp_path / f"s{len(made)}", group=group, role="worker", settings=settings))
        return made[-1]

    yield build
    for service in made:
        service.kill()


def events(service: Service, name: str) -> list[dict]:
    return [line for line in service.log_lines() if line["event"] == name]


def config_of(broker, topic: str) -> dict[str, str]:
    admin = broker.admin
    (found,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)], request_timeout=10).values()
    return {name: entry.value for name, entry in found.result().items()}


def recreate(broker, topic: str, partitions: int) -> None:
    broker.delete_topics(topic)
    eventually(lambda: topic not in broker.admin.list_topics(timeout=10).topics, "the topic is gone")
    broker.create_topic(topic, partitions)


@pytest.mark.needs_real_broker
def test_missing_topics_are_made_with_the_policies_of_the_design(broker, prefix, service_of):
    topics = named_topics(prefix)
    service_of(topics, partitions="3").start()
    counts = {name: len(topic.partitions) for name, topic in broker.admin.list_topics(timeout=10).topics.items()}
    wanted = {
        topics.purchases: (3, FOR_EVER),
        topics.requests: (3, {"cleanup.policy": "delete", "retention.ms": "3600000"}),
        topics.replies: (3, {"cleanup.policy": "delete", "retention.ms": "600000"}),
        topics.catalog: (1, {"cleanup.policy": "compact"}),
        topics.models: (1, {"cleanup.policy": "compact"}),
        topics.dead_letters: (3, {"cleanup.policy": "delete", "retention.ms": "2592000000"}),
    }

    found = {}
    for topic, (_, policy) in wanted.items():
        config = config_of(broker, topic)
        found[topic] = (counts[topic], {name: config[name] for name in policy})
    assert found == wanted


@pytest.mark.needs_real_broker
def test_a_missing_topic_that_may_not_be_made_ends_it_with_the_command_that_makes_it(prefix, service_of):
    topics = named_topics(prefix)
    service = service_of(topics, create_topics="false").start(wait=False)

    assert service.wait_exit() == 1
    assert f"--create --topic {topics.purchases}" in service.log_tail()
    assert "--config retention.ms=-1" in service.log_tail()


def test_unequal_partition_counts_are_refused_with_the_remedy(broker, prefix, service_of):
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions=3)
    uneven = named_topics(prefix + "-b")
    broker.create_topic(uneven.requests, 4)
    mixed = type(topics)(**{**as_dict(topics), "requests": uneven.requests})
    service = service_of(mixed).start(wait=False)

    assert service.wait_exit() == 1
    assert f"{topics.purchases} has 3 partitions and {uneven.requests} has 4" in service.log_tail()
    assert f"--alter --topic {topics.purchases} --partitions 4" in service.log_tail()
    assert "Traceback" not in service.log_tail()


def as_dict(topics) -> dict:
    return {name: getattr(topics, name) for name in type(topics).__slots__}


@pytest.mark.needs_real_broker(one=True)
def test_a_topic_made_anew_while_it_was_stopped_is_said_and_read_from_its_start(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        shop.ask_after(shop.buy(*(purchase("c-1", f"old-{number}") for number in range(5)))[-1], "c-1")
        shop.service.stop()
        recreate(broker, shop.topics.purchases, 1)
        # more than before: no offset gives it away
        shop.buy(*(purchase("c-1", f"new-{number}") for number in range(9)))
        shop.service.start()

        assert oracle.stored(shop.service.database) == {"c-1": [f"new-{number}" for number in range(9)]}
        (said,) = events(shop.service, "purchases_of_another_topic_set_aside")
        assert (said["level"], said["records"], said["topic"]) == ("warning", 5, shop.topics.purchases)


@pytest.mark.needs_real_broker(one=True)
def test_a_topic_made_anew_while_it_runs_is_said_and_read_from_its_start(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1, pace=LOOKS_OFTEN) as shop:
        shop.ask_after(shop.buy(*(purchase("c-1", f"old-{number}") for number in range(5)))[-1], "c-1")
        recreate(broker, shop.topics.purchases, 1)
        shop.buy(*(purchase("c-1", f"new-{number}") for number in range(9)))
        whole = {"c-1": [f"new-{number}" for number in range(9)]}
        eventually(lambda: oracle.stored(shop.service.database) == whole, "the new topic is stored whole", 30)
        place = shop.buy(purchase("c-2", "old-1"))[0]
        answer = shop.ask_after(place, "c-1")

    assert events(shop.service, "purchases_topic_was_made_anew")
    assert [item["product_id"] for item in answer["recommendations"]] == ["old-1"]


@pytest.mark.needs_real_broker(one=True)
def test_history_that_the_broker_lost_is_said_counted_and_gone_past(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        shop.ask_after(shop.buy(purchase("c-1", "tea"))[0], "c-1")
        shop.service.stop()
        shop.buy(purchase("c-1", "gone"), purchase("c-1", "gone too"), purchase("c-1", "cup"))
        admin = broker.admin
        kept_from = TopicPartition(shop.topics.purchases, 0, 3)
        for done in admin.delete_records([kept_from], request_timeout=10).values():
            done.result()
        shop.service.start()
        lost = shop.service.metric("alsobought_history_lost_records_total")

    assert oracle.stored(shop.service.database) == {"c-1": ["tea", "cup"]}
    (said,) = events(shop.service, "purchases_lost_on_the_broker")
    assert (said["lost"], lost) == (2, 2)
    assert "retention.ms=-1" in said["action"]


@pytest.mark.needs_real_broker(one=True)
def test_history_that_the_broker_loses_under_a_slow_worker_is_said_and_gone_past(broker, prefix, service_of):
    topics = named_topics(prefix)
    make_topics(broker, topics, partitions=1)
    service = service_of(topics)
    with ShopClient(broker) as client:
        client.send(topics.purchases, *load.purchases(50, seed=13))
        admin = broker.admin
        for done in admin.delete_records([TopicPartition(topics.purchases, 0, 20)], request_timeout=10).values():
            done.result()
        service.start()
        left = client.read_all(topics.purchases)

    assert [read.offset for read in left] == list(range(20, 50))
    assert oracle.stored(service.database) == oracle.expected(left)
    assert service.metric("alsobought_history_lost_records_total") == 20


@pytest.mark.needs_real_broker(one=True)
def test_a_shorter_topic_made_anew_while_it_runs_is_read_from_its_start_at_once(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        shop.ask_after(shop.buy(*(purchase("c-1", f"old-{number}") for number in range(5)))[-1], "c-1")
        recreate(broker, shop.topics.purchases, 1)
        shop.buy(purchase("c-1", "new"))
        eventually(
            lambda: oracle.stored(shop.service.database) == {"c-1": ["new"]}, "the new topic is stored whole", 30
        )
        shop.ask_after(shop.buy(purchase("c-1", "newer"))[0], "c-1")

    assert oracle.stored(shop.service.database) == {"c-1": ["new", "newer"]}


@pytest.mark.needs_real_broker(one=True)
def test_records_deleted_before_a_worker_that_stood_still_could_read_them_are_gone_past(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1) as shop:
        shop.ask_after(shop.buy(purchase("c-1", "tea"))[0], "c-1")
        os.kill(shop.service.process.pid, signal.SIGSTOP)
        shop.buy(purchase("c-1", "gone"), purchase("c-1", "cup"))
        admin = broker.admin
        for done in admin.delete_records([TopicPartition(shop.topics.purchases, 0, 3)], request_timeout=10).values():
            done.result()
        os.kill(shop.service.process.pid, signal.SIGCONT)
        shop.ask_after(shop.buy(purchase("c-1", "pot"))[0], "c-1")

    stored = oracle.stored(shop.service.database)["c-1"]
    assert (stored[0], stored[-1]) == ("tea", "pot")
