"""Topics: the design's policies, equal partition counts or a refusal with the remedy, no question too often."""

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.embedded_broker import EmbeddedBroker
from consumers.kafka.topics import TopicNames, Topics, TopicsUnfit
from tests.builders.worker_world import clients_of

NAMES = TopicNames("purchases", "catalog", "requests", "replies", "models", "dead")
ALL = {"purchases": 6, "catalog": 1, "requests": 6, "replies": 6, "models": 1, "dead": 6}
FIT = {"create": False, "partitions": 6, "replication_factor": 1}


@pytest.fixture(scope="module")
def broker():
    with EmbeddedBroker(ALL) as started:
        yield started


@pytest.fixture
def topics(broker):
    return Topics(clients_of(broker), NAMES)


def told(topics, monkeypatch, counts):
    """Let the broker have these topics; returns how often it was asked."""
    asked = []

    def answer(*, timeout_s=10):
        asked.append(timeout_s)
        if counts is None:
            raise BrokerUnavailable("no answer")
        return dict(counts)

    monkeypatch.setattr(Topics, "partition_counts", lambda _self, timeout_s=10: answer(timeout_s=timeout_s))
    return asked


def test_purchases_are_kept_for_ever_and_the_catalogue_by_its_last_value():
    plans = {plan.name: plan for plan in NAMES.plans(6)}

    assert plans["purchases"].config == {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    assert {name for name, plan in plans.items() if plan.config["cleanup.policy"] == "compact"} == {"catalog", "models"}
    assert (plans["requests"].config["retention.ms"], plans["replies"].config["retention.ms"]) == ("3600000", "600000")
    assert {name: plan.partitions for name, plan in plans.items()} == ALL


def test_topics_that_are_all_there_fit(topics):
    assert topics.ensure(**FIT) == ALL


def test_unequal_counts_are_refused_with_the_command_that_mends_them(topics):
    with pytest.raises(TopicsUnfit) as refused:
        topics.check_pair(ALL | {"requests": 4})

    assert "purchases has 6 partitions and requests has 4" in str(refused.value)
    assert "kafka-topics.sh --alter --topic requests --partitions 6" in str(refused.value)


def test_a_missing_topic_that_may_not_be_created_is_refused_with_the_command_that_creates_it(topics, monkeypatch):
    told(topics, monkeypatch, {name: count for name, count in ALL.items() if name != "requests"})

    with pytest.raises(TopicsUnfit) as refused:
        topics.ensure(**FIT)

    assert "topic requests (requests_topic) does not exist: create_topics is off" in str(refused.value)
    assert "--create --topic requests --partitions 6 --config cleanup.policy=delete" in str(refused.value)


def test_a_missing_one_of_the_pair_is_to_get_the_partitions_of_the_other(topics, monkeypatch):
    told(topics, monkeypatch, {name: 9 for name in ALL if name != "requests"})

    with pytest.raises(TopicsUnfit, match="--topic requests --partitions 9"):
        topics.ensure(**FIT)


def test_a_broker_that_creates_no_topics_is_said_with_the_command(topics, monkeypatch):
    told(topics, monkeypatch, {name: count for name, count in ALL.items() if name != "models"})
    create = topics.admin.create_topics  # the embedded broker answers no such request
    monkeypatch.setattr(Topics, "admin", Hasty(create))

    with pytest.raises(TopicsUnfit, match=r"models \(models_topic\) is missing and can not be created.*--topic models"):
        topics.ensure(**FIT | {"create": True})


class Hasty:
    """An admin client that waits a second only."""

    def __init__(self, create):
        self._create = create

    def create_topics(self, new, **_):
        return self._create(new, operation_timeout=1, request_timeout=1)

    def describe_configs(self, resources, **_):
        raise KeyError(resources)


def test_partitions_that_were_added_to_one_topic_only_are_said(topics, monkeypatch):
    told(topics, monkeypatch, ALL | {"purchases": 8})

    with capture_logs() as logs:
        topics.check_again()
        topics.check_again()  # it still holds: once is enough

    assert [(line["event"], "purchases has 8" in line["message"]) for line in logs] == [("topics_no_longer_fit", True)]


def test_a_topic_that_was_deleted_is_said(topics, monkeypatch):
    told(topics, monkeypatch, {"purchases": 6})

    with capture_logs() as logs:
        topics.check_again()

    assert "requests no longer exists" in logs[0]["message"]


def test_a_broker_that_is_away_is_no_news_of_topics(topics, monkeypatch):
    told(topics, monkeypatch, None)

    with capture_logs() as logs:
        topics.check_again()

    assert logs == []


def test_the_embedded_broker_has_a_cluster_id_and_no_topic_ids(topics):
    assert topics.cluster_id().startswith("mockCluster")
    assert topics.topic_id("purchases") == ""


def test_a_topic_id_that_can_not_be_asked_is_what_it_was(topics):
    topics._topic_ids["purchases"] = "id-1"
    topics._admin = Silent()

    assert topics.topic_id("purchases") == "id-1"


class Silent:
    """An admin client nobody answers."""

    def describe_topics(self, *_, **__):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def test_a_broker_that_does_not_answer_is_said_with_its_address():
    with EmbeddedBroker() as gone:
        clients = clients_of(gone)
    with pytest.raises(BrokerUnavailable, match=r"no answer from Kafka at 127\.0\.0\.1"):
        Topics(clients, NAMES).partition_counts(timeout_s=0.2)


def test_a_reply_topic_is_asked_for_once_a_minute(topics, monkeypatch):
    asked = told(topics, monkeypatch, ALL)

    found = [topics.partitions_of_reply_topic("replies") for _ in range(3)]

    assert (found, len(asked)) == ([6, 6, 6], 1)


def test_missing_reply_topics_do_not_keep_the_broker_busy(topics, monkeypatch):
    asked = told(topics, monkeypatch, ALL)

    found = {topics.partitions_of_reply_topic(f"replies-{n}") for n in range(100)}

    assert (found, len(asked)) == ({0}, 1)


def test_a_broker_that_is_away_does_not_hold_up_every_request(topics, monkeypatch):
    asked = told(topics, monkeypatch, None)

    found = {topics.partitions_of_reply_topic("replies") for _ in range(100)}

    assert (found, len(asked)) == ({0}, 1)


def test_asking_for_a_reply_topic_creates_none(topics, broker):
    assert topics.partitions_of_reply_topic("never-made") == 0
    assert "never-made" not in topics.partition_counts()
