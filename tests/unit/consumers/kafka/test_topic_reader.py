"""A topic is read whole: every partition to its end, nothing committed, and errors name the setting that names it."""

import time

import pytest
from confluent_kafka import TopicPartition

from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.topic_reader import TopicReader, read_topic
from consumers.releases.announcer import announced_now


def test_every_partition_is_read_to_its_end(clients, topic):
    send(clients, topic, 1200)

    found = list(read_topic(clients, topic, group="g", setting="s"))

    assert sorted(int(record.value) for record in found) == list(range(1200))
    assert [record.partition for record in found] == sorted(record.partition for record in found)


def test_a_part_of_a_partition_is_read_from_where_to_where_it_was_asked(clients, topic):
    send(clients, topic, 50)

    with TopicReader(clients, group="g") as reader:
        (whole, _) = reader.extents(topic, "s")
        batches = list(reader.read(topic, whole._replace(first=3, end=7), at_once=2))

    assert [record.offset for batch in batches for record in batch] == [3, 4, 5, 6]


def test_an_empty_topic_has_no_records(clients, topic):
    assert list(read_topic(clients, topic, group="g", setting="s")) == []


def test_reading_commits_nothing(clients, topic):
    send(clients, topic, 5)

    list(read_topic(clients, topic, group="g", setting="s"))

    consumer = clients.consumer("g")
    assert all(part.offset < 0 for part in consumer.committed([TopicPartition(topic, n) for n in (0, 1)], timeout=5))
    consumer.close()


@pytest.mark.parametrize("setting", ["dead_letters_topic", "models_topic"])
def test_a_topic_that_does_not_exist_is_said_with_its_own_setting(clients, setting):
    with pytest.raises(BrokerUnavailable, match=f"{setting} names another"):
        list(read_topic(clients, "missing", group="g", setting=setting))


def test_the_trainer_names_the_models_topic_when_it_may_not_be_read(clients, topic, monkeypatch):
    monkeypatch.setattr("consumers.releases.announcer._is_there", lambda *_: True)  # it was, a moment ago

    with pytest.raises(BrokerUnavailable, match="models_topic names another"):
        announced_now(clients, "missing")


def test_a_cluster_that_is_gone_is_said(broker, clients, topic, monkeypatch):
    monkeypatch.setattr(clients, "bootstrap_servers", "127.0.0.1:1")
    started = time.monotonic()

    with TopicReader(clients, group="g") as reader, pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        reader.extents(topic, "s")

    assert time.monotonic() - started < 30


def send(clients, topic, count):
    """Records with their number as value, spread over both partitions."""
    producer = clients.producer()
    for number in range(count):
        producer.produce(topic, str(number).encode(), partition=number % 2)
    assert not producer.flush(10)
