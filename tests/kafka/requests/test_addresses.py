"""Replies find their way back, in the headers of every family of clients; what has no way back is set aside."""

import json
import time

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.records import Read, Record, Shape, purchase, request
from tests.kafka.support.running_shop import RunningShop, running_shop

pytestmark = pytest.mark.every_broker

CORRELATION = {
    Shape.SPRING: "kafka_correlationId",
    Shape.NESTJS: "kafka_correlationId",
    Shape.SMALLRYE: "REPLY_CORRELATION_ID",
    Shape.FASTSTREAM: "correlation_id",
}
REASON = "__connect.errors.exception.class.name"


@pytest.fixture(scope="module")
def running(broker, tmp_path_factory):
    with running_shop(broker, tmp_path_factory.mktemp("addresses"), request_max_age_ms="60000") as shop:
        place = shop.buy(purchase("c-1", "tea", "cup"), purchase("c-2", "lamp"))[0]
        shop.ask_after(place, "c-1")
        yield shop


def ask(shop: RunningShop, body: dict, shape: Shape, partition: int | None = None) -> Read:
    """The only reply to this request; a second one would fail the test that reads the topic to its end."""
    partition = None if shape in {Shape.FASTSTREAM, Shape.BODY} else partition
    return shop.reply(body, shape=shape, reply_partition=partition)


def refused(shop: RunningShop, record: Record) -> Read:
    """The dead letter that this request becomes."""

    def letters() -> list[Read]:
        return [read for read in shop.client.read_all(shop.topics.dead_letters) if read.value == record.value]

    shop.client.send(shop.topics.requests, record)
    eventually(lambda: bool(letters()), "the request is a dead letter")
    return letters()[0]


def headers(reply: Read) -> dict[str, bytes]:
    return dict(reply.headers)


@pytest.mark.parametrize("shape", Shape)
def test_a_reply_goes_where_the_familys_headers_say_and_carries_their_correlation(running, shape):
    reply = ask(running, {"profile_id": "c-1"}, shape, partition=4)
    carried = headers(reply)

    assert reply.json["recommendations"][0]["product_id"] == "lamp"
    assert (reply.key, carried.get("content-type")) == (b"c-1", b"application/json")
    assert {name for name in CORRELATION.values() if name in carried} == {CORRELATION.get(shape)} - {None}
    assert not {"REPLY_TOPIC", "REPLY_PARTITION", "reply_to", "kafka_replyTopic"} & carried.keys()
    assert shape in {Shape.FASTSTREAM, Shape.BODY} or reply.partition == 4


@pytest.mark.parametrize("shape", Shape)
def test_an_error_reply_names_the_field_in_every_family(running, shape):
    reply = ask(running, {"profile_id": "c-1", "k": 0}, shape, partition=2)

    assert reply.header("error") == b"out_of_range"
    assert (reply.json["error"]["code"], reply.json["error"]["field"]) == ("out_of_range", "k")
    assert "1 to 100" in reply.json["error"]["message"]
    assert ("correlation_id" in reply.json) == (shape is Shape.BODY)


def test_nestjs_is_told_that_the_reply_is_the_last_one_and_gets_its_error_as_json(running):
    good = headers(ask(running, {"profile_id": "c-1"}, Shape.NESTJS, partition=1))
    bad = ask(running, {"profile_id": [7]}, Shape.NESTJS, partition=1)
    spring = headers(ask(running, {"profile_id": [7]}, Shape.SPRING, partition=1))

    assert (good["kafka_nest-is-disposed"], "kafka_nest-err" in good) == (b"\x00", False)
    assert headers(bad)["kafka_nest-is-disposed"] == b"\x00"
    assert json.loads(headers(bad)["kafka_nest-err"]) == bad.json["error"]
    assert not {"kafka_nest-is-disposed", "kafka_nest-err"} & spring.keys()


def test_no_json_is_an_error_reply_where_headers_name_the_way_back(running):
    addressed = request({}, Shape.SPRING, running.topics.replies)
    running.client.send(running.topics.requests, Record(b"c-1", b"{no json", addressed.record.headers))
    reply = running.client.reply(running.topics.replies, addressed.correlation)

    assert (reply.header("error"), reply.json["error"]["code"]) == (b"not_json", "not_json")


def test_a_reply_topic_that_is_not_allowed_gets_nothing_and_the_request_is_a_dead_letter(running):
    secret = running.topics.purchases.replace(".purchases", ".payments")
    running.broker.create_topic(secret, 1)
    letter = refused(running, request({"profile_id": "c-1", "k": 7}, Shape.SPRING, secret).record)

    assert letter.header(REASON) == b"reply_topic"
    assert b"not allowed" in (letter.header("__connect.errors.exception.message") or b"")
    assert running.client.read_all(secret) == []
    assert running.ask("c-1")["degraded"] == "no_model"


@pytest.mark.needs_real_broker
def test_a_missing_reply_topic_is_not_made_and_the_loop_goes_on(running):
    missing = running.topics.replies + "-of-nobody"
    letter = refused(running, request({"profile_id": "c-1", "k": 8}, Shape.SPRING, missing).record)
    began = time.monotonic()
    running.ask("c-1")

    assert letter.header(REASON) == b"reply_topic"
    assert b"does not exist" in (letter.header("__connect.errors.exception.message") or b"")
    assert missing not in running.broker.admin.list_topics(timeout=10).topics
    assert time.monotonic() - began < 5


def test_a_reply_partition_that_does_not_exist_leaves_the_choice_to_the_key(running):
    by_key = ask(running, {"profile_id": "c-1"}, Shape.SPRING)
    far = ask(running, {"profile_id": "c-1"}, Shape.SPRING, partition=4000)

    assert far.partition == by_key.partition


def test_a_request_whose_deadline_has_passed_is_dropped_and_counted(running):
    expired = running.service.metric("alsobought_requests_expired_total")
    past, future = (b"%d" % int(1000 * (time.time() + seconds)) for seconds in (-1, 60))
    topics = running.topics
    late = running.client.request(
        topics.requests, {"profile_id": "c-1"}, topics.replies, headers=(("deadline_ms", past),)
    )
    in_time = running.reply({"profile_id": "c-1"}, headers=(("deadline_ms", future),))

    assert in_time.json["profile_id"] == "c-1"
    assert running.client.replies(topics.replies, late) == []
    eventually(
        lambda: running.service.metric("alsobought_requests_expired_total") == expired + 1, "the late one is counted"
    )


def test_every_request_gets_one_reply_however_many_are_in_flight(running):
    profiles, topics = [f"c-{number}" for number in range(300)], running.topics
    asked = running.client.request_each(topics.requests, ({"profile_id": name} for name in profiles), topics.replies)
    found = [running.client.reply(topics.replies, correlation) for correlation in asked]

    assert [reply.json["profile_id"] for reply in found] == profiles
    assert len(running.client.replies(topics.replies, *asked)) == len(asked)
