"""What the suite's brokers and its shop client promise to every other test here."""

import json
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient

from tests.kafka.brokers.broker import Broker, RealBroker, eventually
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.conftest import Topics
from tests.kafka.support.records import Record, Shape, purchase, tombstone
from tests.kafka.support.shop_client import ShopClient

pytestmark = pytest.mark.every_broker


def test_what_is_sent_is_read_back_byte_for_byte(topics: Topics, shop: ShopClient) -> None:
    topic = topics("purchases")
    raw = Record(b"c-7", b"\xff{", headers=(("x", b"\x00\xfe"), ("x", b"last")), partition=5)

    places = shop.send(topic, purchase("c-42", "tea", event_id="o-1"), tombstone("c-42"), raw)
    bought, forgotten, odd = shop.read_all(topic)

    assert [(read.partition, read.offset) for read in (bought, forgotten, odd)] == places
    assert (bought.key, bought.json["items"]) == (b"c-42", [{"product_id": "tea", "quantity": 1}])
    assert (forgotten.key, forgotten.value) == (b"c-42", None)
    assert (odd.partition, odd.value, odd.headers, odd.header("x")) == (5, raw.value, raw.headers, b"last")


def test_a_key_goes_to_the_partition_that_java_clients_choose(topics: Topics, shop: ShopClient) -> None:
    (place,) = shop.send(topics("purchases", partitions=6), purchase("customer-42", "tea"))

    assert place == (3, 0)


def test_a_group_is_given_every_partition(broker: Broker, topics: Topics, group: str, shop: ShopClient) -> None:
    topic = topics("purchases", partitions=3)
    shop.send(topic, *(Record(None, b"%d" % number, partition=number) for number in range(3)))
    consumer = Consumer(broker.consumer_properties | {"group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    read = consumer.consume(3, timeout=20)
    consumer.close()

    assert sorted((message.partition(), message.value()) for message in read) == [(0, b"0"), (1, b"1"), (2, b"2")]


def test_every_client_sees_the_same_cluster_id(broker: Broker) -> None:
    seen = {str(AdminClient(broker.client_properties).list_topics(timeout=10).cluster_id) for _ in range(2)}

    assert len(seen) == 1
    assert not seen & {"", "None"}


@pytest.mark.parametrize("shape", Shape)
def test_a_reply_is_found_by_its_correlation(topics: Topics, shop: ShopClient, shape: Shape) -> None:
    requests, replies = topics("requests"), topics("replies")
    correlation = shop.request(requests, {"profile_id": "c-42"}, replies, shape=shape, reply_partition=4)
    (request,) = shop.read_all(requests)
    answer = request.json if shape is Shape.BODY else {"recommendations": []}
    shop.send(replies, Record(b"other", b"{}"), Record(request.key, json.dumps(answer).encode(), request.headers))

    reply = shop.reply(replies, correlation)

    assert reply.json == answer
    assert shop.replies(replies, correlation) == [reply]


@pytest.mark.parametrize(
    ("shape", "partition"),
    [(Shape.SPRING, b"\x00\x00\x00\x04"), (Shape.NESTJS, b"4"), (Shape.SMALLRYE, b"\x00\x00\x00\x04")],
)
def test_a_reply_partition_is_written_in_the_familys_bytes(
    topics: Topics, shop: ShopClient, shape: Shape, partition: bytes
) -> None:
    requests, replies = topics("requests"), topics("replies")
    shop.request(requests, {}, replies, shape=shape, reply_partition=4)
    (request,) = shop.read_all(requests)

    assert partition in {request.header("kafka_replyPartition"), request.header("REPLY_PARTITION")}


def test_a_reply_that_does_not_come_is_a_timeout(topics: Topics, shop: ShopClient) -> None:
    requests, replies = topics("requests"), topics("replies")

    with pytest.raises(TimeoutError, match="no reply to"):
        shop.ask(requests, {"profile_id": "c-42"}, replies, timeout_s=0.3)


@pytest.mark.needs_real_broker
def test_a_topic_made_anew_has_another_id(broker: RealBroker, prefix: str) -> None:
    name = f"{prefix}.purchases"
    broker.create_topic(name, 1)
    before = broker.topic_id(name)
    broker.delete_topics(name)
    eventually(lambda: name not in broker.admin.list_topics(timeout=10).topics, "the topic is gone")
    broker.create_topic(name, 1)
    after = broker.topic_id(name)
    broker.delete_topics(name)

    assert before != after


@pytest.mark.needs_real_broker
def test_a_topic_that_is_there_is_refused(broker: RealBroker, topics: Topics) -> None:
    name = topics("purchases")

    with pytest.raises(KafkaException, match="already exists"):
        broker.create_topic(name, 6)


def test_a_killed_java_broker_comes_back_with_its_records(java_cluster: Callable[..., JavaBroker]) -> None:
    broker = java_cluster()
    broker.create_topic("purchases", 1)
    with ShopClient(broker) as shop:
        shop.send("purchases", purchase("c-42", "tea"))
    pid = broker.pid()

    broker.kill()
    was_running = broker.is_running(1)
    broker.restart()
    with ShopClient(broker) as shop:
        read = shop.read_all("purchases")

    assert (was_running, broker.pid() != pid) == (False, True)
    assert [record.key for record in read] == [b"c-42"]


def test_of_three_java_brokers_one_can_be_lost(java_cluster: Callable[..., JavaBroker]) -> None:
    cluster = java_cluster(nodes=3)
    cluster.create_topic("purchases", 1)
    lost = cluster.leader("purchases")
    with ShopClient(cluster) as shop:
        shop.send("purchases", purchase("c-1", "tea"))
        cluster.kill(lost)
        shop.send("purchases", purchase("c-2", "tea"))
        read = shop.read_all("purchases")

    assert [record.key for record in read] == [b"c-1", b"c-2"]
    assert cluster.leader("purchases") not in {lost, -1}


def test_a_java_broker_with_users_refuses_strangers(java_cluster: Callable[..., JavaBroker]) -> None:
    broker = java_cluster(sasl_users={"admin": "secret"}, properties={"message.max.bytes": "12000000"})
    stranger = AdminClient(broker.client_properties | {"sasl.password": "guess", "log_level": 0})

    broker.create_topic("purchases", 1)
    with pytest.raises(KafkaException, match="_TRANSPORT"):
        stranger.list_topics(timeout=1)


def test_a_java_broker_that_does_not_start_shows_its_log(java_cluster: Callable[..., JavaBroker]) -> None:
    with pytest.raises(RuntimeError, match=r"Invalid value no for configuration num\.io\.threads"):
        java_cluster(properties={"num.io.threads": "no"})
