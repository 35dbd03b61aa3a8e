"""Importing over Kafka: everything is delivered, or it is said how far it came."""

import json

import pytest
from confluent_kafka import Consumer, TopicPartition, murmur2

from consumers.file_import.product_files import open_products
from consumers.file_import.purchase_files import open_purchases
from consumers.file_import.sender import ImportFailed, import_products, import_purchases
from consumers.kafka.clients import BrokerUnavailable, KafkaClients
from consumers.kafka.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker

PARTITIONS = 3
LATEST_MS = 1_900_000_000_000
PRODUCE = 0
NOT_AUTHORISED, TOO_LARGE = 29, 10


@pytest.fixture
def broker():
    with EmbeddedBroker({"purchases": PARTITIONS, "catalog": 1}) as broker:
        yield broker


@pytest.fixture
def clients(broker):
    return KafkaClients(broker.bootstrap, {name: str(value).lower() for name, value in CLIENT_PROPERTIES.items()})


@pytest.fixture
def orders(tmp_path):
    path = tmp_path / "orders.csv"
    rows = [f"c{n % 7},o{n},tea,{1_700_000_000 + n},1,2.5\n" for n in range(50)]
    path.write_text("customer_id,order_id,product_id,ts,quantity,price\n" + "".join(rows))
    with open_purchases(path, latest_ms=LATEST_MS) as file:
        yield file


def records(broker, topic, partitions):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test", "fetch.wait.max.ms": 5})
    found = []
    for partition in range(partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5)
        consumer.assign([TopicPartition(topic, partition, low)])
        while high and not (found and found[-1].offset() == high - 1 and found[-1].partition() == partition):
            found += consumer.consume(high, timeout=1)
    consumer.close()
    return found


def test_every_order_is_on_the_topic_in_its_customers_partition_and_in_time_order(broker, clients, orders):
    summary = import_purchases(clients, "purchases", orders)

    found = records(broker, "purchases", PARTITIONS)
    assert (summary.records, summary.lines, len(found)) == (50, 50, 50)
    assert all(record.partition() == murmur2(record.key(), PARTITIONS) for record in found)
    times = [[json.loads(r.value())["occurred_at"] for r in found if r.partition() == p] for p in range(PARTITIONS)]
    assert times == [sorted(each) for each in times]


def test_a_second_import_sends_nothing_unless_all_is_asked_for(broker, clients, orders):
    import_purchases(clients, "purchases", orders)
    again = import_purchases(clients, "purchases", orders)
    assert (again.records, again.compared.known) == (0, 50)
    import_purchases(clients, "purchases", orders, send_all=True)

    ids = [json.loads(record.value())["event_id"] for record in records(broker, "purchases", PARTITIONS)]

    assert (len(ids), len(set(ids))) == (100, 50)


def test_progress_rises_to_one_with_the_last_delivery(clients, orders):
    told = []

    import_purchases(clients, "purchases", orders, lambda what, done: told.append((what, done)))

    assert told == sorted(told)
    assert told[-1] == ("sending", 1.0)


def test_products_go_to_the_catalogue(broker, clients, tmp_path):
    path = tmp_path / "products.csv"
    path.write_text("product_id,title\ntea,Green tea\npot,Teapot\n")

    with open_products(path) as file:
        summary = import_products(clients, "catalog", file)

    assert summary.records == 2
    assert {record.key() for record in records(broker, "catalog", 1)} == {b"tea", b"pot"}


@pytest.mark.parametrize(
    ("code", "complaint"),
    [(NOT_AUTHORISED, r"0 of 50 records are on the topic; check the broker"), (TOO_LARGE, "max.message.bytes")],
)
def test_a_refused_record_is_an_error_that_says_how_far_it_came(broker, clients, orders, code, complaint):
    broker.fail_next(PRODUCE, [code] * 20)

    with pytest.raises(ImportFailed, match=complaint):
        import_purchases(clients, "purchases", orders)


def test_a_missing_topic_is_named_and_not_created(broker, clients, orders):
    with pytest.raises(ImportFailed, match="topic sales does not exist"):
        import_purchases(clients, "sales", orders)

    assert "sales" not in clients.admin().list_topics(timeout=5).topics


def test_a_broker_that_does_not_answer_is_named(orders):
    with pytest.raises(BrokerUnavailable, match=r"importing to purchases.*127\.0\.0\.1:1"):
        import_purchases(KafkaClients("127.0.0.1:1", {}), "purchases", orders, connect_s=0.5)
