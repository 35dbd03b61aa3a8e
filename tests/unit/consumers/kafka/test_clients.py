"""The Kafka clients keep the service's promises whatever properties are passed through, and explain their errors."""

import logging
import time

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from structlog.testing import capture_logs

from config.errors import ConfigError
from consumers.kafka.clients import KafkaClients, drain, produce, watermarks
from consumers.kafka.embedded_broker import EmbeddedBroker
from consumers.kafka.records import sorted_out
from tests.builders.worker_world import clients_of


@pytest.fixture(scope="module")
def broker():
    with EmbeddedBroker({"purchases": 6}) as started:
        yield started


@pytest.fixture
def topic(broker, request):
    name = request.node.name
    broker.create_topic(name, 1)
    return name


@pytest.fixture
def clients(broker):
    return clients_of(broker)


@pytest.fixture
def reader(clients, topic):
    consumer = clients.consumer("readers", enable_partition_eof="true")
    consumer.assign([TopicPartition(topic, 0, 0)])
    yield consumer
    consumer.close()


def send(clients, topic, *values, **record):
    producer = clients.producer()
    for value in values:
        producer.produce(topic, value=value, **record)
    assert producer.flush(5) == 0


def test_a_property_that_librdkafka_does_not_know_is_a_wrong_setting():
    clients = KafkaClients("127.0.0.1:1", {"no.such.property": "1"})

    with pytest.raises(ConfigError, match=r'kafka_properties: No such configuration property: "no\.such\.property"'):
        clients.producer()


@pytest.mark.parametrize("make", [lambda c: c.producer(), lambda c: c.consumer("g"), lambda c: c.admin()])
def test_a_value_that_librdkafka_does_not_take_is_a_wrong_setting(make):
    with pytest.raises(ConfigError, match=r"socket\.timeout\.ms"):
        make(KafkaClients("127.0.0.1:1", {"socket.timeout.ms": "soon"}))


def test_consumer_properties_are_kept_from_producers_and_admins(caplog):
    clients = KafkaClients("127.0.0.1:1", {"session.timeout.ms": "6000", "fetch.wait.max.ms": "5"})
    with caplog.at_level(logging.DEBUG):
        producer, admin = clients.producer(), clients.admin()
        producer.poll(0)
        admin.poll(0)

    assert "CONFWARN" not in caplog.text


@pytest.mark.parametrize(
    ("properties", "setting", "said"),
    [
        ({}, "none", []),
        ({}, "gzip", []),
        ({}, "zstd", ["zstd"]),
        ({"compression.type": "lz4"}, "none", ["lz4"]),
        ({"compression.codec": "snappy"}, "gzip", ["snappy"]),
        ({"compression.type": "gzip"}, "lz4", []),
        ({"compression.type": "LZ4"}, "none", ["LZ4"]),
    ],
)
def test_a_compression_that_some_clients_can_not_read_is_said_once(properties, setting, said):
    clients = KafkaClients("127.0.0.1:1", properties, setting)

    with capture_logs() as logs:
        clients.producer()
        clients.producer()
        clients.producer(compression_type="none")

    assert [line["compression"] for line in logs] == said


def test_a_compression_that_kafka_does_not_know_is_a_wrong_setting():
    with pytest.raises(ConfigError, match='"zip" for configuration property "compression'):
        KafkaClients("127.0.0.1:1", {"compression.type": "zip"}).producer()


def test_consumers_are_not_given_what_only_producers_take(caplog):
    with caplog.at_level(logging.DEBUG):
        consumer = KafkaClients("127.0.0.1:1", {"compression.type": "lz4"}).consumer("g")
        consumer.poll(0)
        consumer.close()

    assert "CONFWARN" not in caplog.text


def test_the_newer_protocol_is_not_given_what_it_refuses():
    clients = KafkaClients("127.0.0.1:1", {"session.timeout.ms": "6000", "heartbeat.interval.ms": "300"})

    clients.consumer("g", group_protocol="consumer", group_remote_assignor="range").close()


def test_a_key_goes_where_java_sends_it(clients):
    producer = clients.producer()
    found = []
    producer.produce("purchases", key=b"customer-42", on_delivery=lambda _, message: found.append(message.partition()))
    producer.flush(5)

    assert found == [3]


def test_drain_takes_what_is_there_and_waits_for_no_more(clients, topic, reader):
    send(clients, topic, *[b"x"] * 30)
    taken = []
    while len(taken) < 30:
        taken += sorted_out(drain(reader, 20, 5))[0]

    assert [record.offset for record in taken] == list(range(30))
    assert max(map(len, [drain(reader, 1, 0.0), drain(reader, 5, 0.0)])) <= 1


def test_records_and_errors_are_sorted_out(clients, topic, reader):
    send(clients, topic, None, b"x", key=b"k", headers=[("a", b"1"), ("n", None), ("a", b"2")])
    records, errors = [], []
    while not (errors and errors[-1].offset == 2):
        more = sorted_out(drain(reader, 10, 5))
        records += more[0]
        errors += more[1]

    assert [(record.key, record.value) for record in records] == [(b"k", None), (b"k", b"x")]
    assert records[0].headers == (("a", b"1"), ("n", None), ("a", b"2"))
    assert records[0].header_values() == {"a": b"2", "n": b""}
    assert records[0].timestamp_ms > 1_700_000_000_000
    assert (errors[-1].is_end, errors[-1].is_out_of_range) == (True, False)


def test_an_offset_that_the_broker_does_not_have_is_an_error_and_no_jump(clients, topic):
    consumer = clients.consumer("readers")
    consumer.assign([TopicPartition(topic, 0, 77)])

    errors = []
    while not errors:
        errors = sorted_out(drain(consumer, 10, 5))[1]
    consumer.close()

    assert [error.is_out_of_range for error in errors] == [True]


def test_header_names_that_are_no_text_are_marked_and_nothing_else_is_lost(topic, broker, reader, unreadable_header):
    unreadable_header(broker.bootstrap, topic.encode(), b"tea", times=100)
    records = []
    while len(records) < 100:
        records += sorted_out(drain(reader, 100, 5))[0]

    assert all(record.headers_unreadable and record.headers == () for record in records)
    assert {record.value for record in records} == {b"tea"}


def test_watermarks_are_the_first_and_the_next_offset(clients, topic, reader):
    empty = watermarks(reader, topic, 0)
    send(clients, topic, b"x", b"y")

    assert (empty, watermarks(reader, topic, 0)) == ((0, 0), (0, 2))


def test_watermarks_of_a_topic_that_does_not_exist_are_an_error(clients, reader):
    with pytest.raises(KafkaException):
        watermarks(reader, "missing", 0, timeout_s=0.2)


def test_a_full_queue_is_waited_for(clients, topic):
    producer = clients.producer(queue_buffering_max_messages="5")
    reported = []

    for _ in range(50):
        produce(producer, on_delivery=lambda error, _: reported.append(error), topic=topic, value=b"x")
    producer.flush(5)

    assert reported == [None] * 50


def test_a_commit_that_fails_later_is_heard_of(broker, clients, topic):
    failures = []
    consumer = clients.consumer("committers", on_commit_failed=lambda: failures.append(1))
    consumer.assign([TopicPartition(topic, 0, 0)])
    broker.fail_next(8, [KafkaError.GROUP_AUTHORIZATION_FAILED])
    for _ in range(2):
        consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=True)
    give_up = time.monotonic() + 5
    while not failures and time.monotonic() < give_up:
        consumer.poll(0.05)
    consumer.close()

    assert failures == [1]


def test_an_error_is_said_once_a_minute_with_a_hint_and_explains_what_comes_later():
    clients = KafkaClients("127.0.0.1:1", {})
    down = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")

    with capture_logs() as logs:
        for _ in range(20):
            clients._on_error(down)

    assert [(line["event"], line["code"]) for line in logs] == [("kafka_error", "_ALL_BROKERS_DOWN")]
    assert "set security.protocol in kafka_properties" in str(clients.unavailable("reading"))
