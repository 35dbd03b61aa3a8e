"""The embedded broker: what a demo and the tests can count on, met with ordinary Kafka clients."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from consumers.kafka import embedded_broker
from consumers.kafka.embedded_broker import CLIENT_PROPERTIES, CONSUMER_PROPERTIES, EmbeddedBroker

OFFSET_COMMIT = 8


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"purchases": 6}) as started:
        yield started


@pytest.fixture
def plain_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedBroker]:
    """What there is where librdkafka exports no mock functions."""

    class NoSuchFunctions:
        def __init__(self) -> None:
            raise AttributeError("undefined symbol: rd_kafka_mock_cluster_new")

    monkeypatch.setattr(embedded_broker, "_Librdkafka", NoSuchFunctions)
    with EmbeddedBroker({"purchases": 6}) as started:
        yield started


def producer(broker: EmbeddedBroker) -> Producer:
    return Producer({"bootstrap.servers": broker.bootstrap, **CLIENT_PROPERTIES})


def consumer(broker: EmbeddedBroker) -> Consumer:
    properties = {"bootstrap.servers": broker.bootstrap, "group.id": "readers", "enable.auto.commit": False}
    return Consumer(properties | {"auto.offset.reset": "earliest", **CONSUMER_PROPERTIES})


def partitions(broker: EmbeddedBroker, topic: str) -> int:
    return len(producer(broker).list_topics(topic, timeout=5).topics[topic].partitions)


def test_a_topic_has_the_partitions_it_was_made_with(broker: EmbeddedBroker) -> None:
    made = broker.create_topic("requests", 9)

    assert (made, partitions(broker, "requests"), partitions(broker, "purchases")) == (9, 9, 6)


def test_a_group_reads_what_was_produced(broker: EmbeddedBroker) -> None:
    sender = producer(broker)
    sender.produce("purchases", key=b"c-42", value=b"tea", partition=5)
    left = sender.flush(5)
    reader = consumer(broker)
    reader.subscribe(["purchases"])

    message = reader.poll(10)
    reader.close()

    assert left == 0
    assert message is not None
    assert (message.partition(), message.key(), message.value()) == (5, b"c-42", b"tea")


def test_an_injected_error_meets_the_next_request_and_only_that(broker: EmbeddedBroker) -> None:
    reader = consumer(broker)
    position = [TopicPartition("purchases", 0, 7)]
    broker.fail_next(OFFSET_COMMIT, [KafkaError.TOPIC_AUTHORIZATION_FAILED])

    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        reader.commit(offsets=position, asynchronous=False)
    reader.commit(offsets=position, asynchronous=False)
    committed = reader.committed([TopicPartition("purchases", 0)], timeout=5)
    reader.close()

    assert [partition.offset for partition in committed] == [7]


def test_it_starts_and_stops_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    with EmbeddedBroker({"purchases": 1}) as broker:
        sender = producer(broker)
        sender.produce("purchases", value=b"tea")
        sender.flush(5)
        del sender

    assert capfd.readouterr() == ("", "")


def test_the_same_topic_twice_is_refused(broker: EmbeddedBroker) -> None:
    with pytest.raises(ValueError, match="'purchases' with 6 partitions is there already"):
        broker.create_topic("purchases", 6)


def test_a_topic_without_partitions_is_refused(broker: EmbeddedBroker) -> None:
    with pytest.raises(ValueError, match="'requests' with 0 partitions: ask for 1 or more"):
        broker.create_topic("requests", 0)


def test_a_closed_broker_says_so_and_closes_twice() -> None:
    broker = EmbeddedBroker()
    broker.close()
    broker.close()

    with pytest.raises(ValueError, match="is closed: make a new one"):
        broker.create_topic("purchases", 1)


def test_without_the_experimental_functions_a_plainer_broker_starts(plain_broker: EmbeddedBroker) -> None:
    made = plain_broker.create_topic("requests", 9)

    assert (made, partitions(plain_broker, "requests"), partitions(plain_broker, "purchases")) == (4, 4, 4)


def test_the_plainer_broker_refuses_the_same_topic_twice_as_well(plain_broker: EmbeddedBroker) -> None:
    with pytest.raises(ValueError, match="'purchases' with 6 partitions is there already"):
        plain_broker.create_topic("purchases", 6)


def test_the_plainer_broker_says_that_it_injects_no_errors(plain_broker: EmbeddedBroker) -> None:
    with pytest.raises(NotImplementedError, match="exports no rd_kafka_mock functions"):
        plain_broker.fail_next(OFFSET_COMMIT, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
