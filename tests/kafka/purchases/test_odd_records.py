"""Records that are easy to get wrong, end to end: what is no purchase, times in another unit, numbers as ids."""

import json
import time

import pytest
from confluent_kafka import Producer

from tests.kafka.brokers.broker import eventually
from tests.kafka.purchases.test_poison import PREFIX, letters_of
from tests.kafka.support import oracle
from tests.kafka.support.records import Record, purchase, tombstone
from tests.kafka.support.running_shop import running_shop

CANCELLED = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "com.shop.order.cancelled",
    "time": "2026-11-20T12:00:00Z",
    "data": {"profile_id": "w-22", "items": [{"product_id": "tea"}]},
}
STRUCTURED = (("content-type", b"application/cloudevents+json"),)
BINARY = (("ce_id", b"2"), ("ce_source", b"/shop"), ("ce_type", b"com.shop.order.cancelled"))


@pytest.fixture(scope="module")
def running(broker, tmp_path_factory):
    with running_shop(broker, tmp_path_factory.mktemp("odd"), role="worker") as shop:
        yield shop


def lines_of(running, event):
    return [line for line in running.service.log_lines() if line.get("event") == event]


def test_a_cancelled_order_is_no_purchase_in_either_mode_and_is_counted_and_said(running):
    structured = Record(b"w-22", json.dumps(CANCELLED).encode(), STRUCTURED)
    binary = Record(b"w-22", json.dumps(CANCELLED["data"]).encode(), BINARY)
    place = running.buy(structured, binary, purchase("w-22", "cup"))[-1]
    running.ask_after(place, "w-22")

    assert running.service.metric('alsobought_skipped_events_total{type="com.shop.order.cancelled"}') == 2
    assert oracle.stored(running.service.database)["w-22"] == ["cup"]
    assert lines_of(running, "events_skipped")[0]["types"] == {"com.shop.order.cancelled": 2}
    assert letters_of(running, running.topics.purchases, "w-22") == []


def test_a_null_value_under_a_key_in_quotes_forgets_nobody_and_says_so_without_the_id(running):
    name = 'alsobought_events_total{outcome="forgot_nobody"}'
    running.buy(purchase("w-23", "tea"), tombstone('"w-23"'))
    eventually(lambda: running.service.metric(name) == 1, "the null value is counted")

    (line,) = lines_of(running, "forgot_nobody")
    assert "JSON quotes" in line["action"]
    assert "w-23" not in json.dumps(line)
    assert running.service.metric('alsobought_events_total{outcome="forgotten"}') == 0


def test_a_record_timestamp_in_seconds_is_a_dead_letter_with_the_cause(running):
    producer = Producer(running.broker.client_properties)
    value = json.dumps({"profile_id": "w-24", "items": [{"product_id": "tea"}]}).encode()
    producer.produce(running.topics.purchases, key=b"w-24", value=value, timestamp=int(time.time()))
    producer.flush(10)
    eventually(lambda: bool(letters_of(running, running.topics.purchases, "w-24")), "the dead letter is there")
    (letter,) = letters_of(running, running.topics.purchases, "w-24")

    assert b"seconds where milliseconds belong" in (letter.header(PREFIX + "exception.message") or b"")


def test_a_customer_is_one_whether_the_id_is_a_number_or_a_text(running):
    items = [{"product_id": 7, "quantity": "2", "price": "2.08"}]
    place = running.buy(Record(b"42", json.dumps({"profile_id": 42, "items": items}).encode()))[-1]
    running.ask_after(place, "42")
    offered = running.client.ask(
        running.topics.requests,
        {"profile_id": 42, "kind": "popular", "exclude_purchased": False, "filters": {"only": [7]}},
        running.topics.replies,
    ).json

    assert offered["profile_id"] == "42"
    assert [(item["product_id"], item["price"]) for item in offered["recommendations"]] == [("7", 2.08)]


@pytest.mark.parametrize(
    ("body", "code", "field", "said"),
    [
        ({"boosts": {"tea": 2}, "diversity": 0.5}, "unknown_field", "boosts", "boosts, diversity"),
        ({"exclude_purchase": False}, "unknown_field", "exclude_purchase", "did you mean exclude_purchased?"),
        ({"filters": {"exclud": ["tea"]}}, "out_of_range", "filters.exclud", "did you mean exclude?"),
        ({"deadline_ms": int(time.time())}, "out_of_range", "deadline_ms", "seconds since 1970"),
    ],
)
def test_what_a_request_says_in_vain_is_an_error_that_names_it(running, body, code, field, said):
    error = running.ask("w-25", **body)["error"]

    assert (error["code"], error["field"]) == (code, field)
    assert said in error["message"]


def test_with_the_setting_old_clients_are_answered_and_told_what_was_ignored(broker, tmp_path):
    with running_shop(broker, tmp_path, role="worker", unknown_request_fields="ignore") as shop:
        reply = shop.ask("w-26", boosts={"tea": 2})

    assert reply["ignored"] == ["boosts"]
    assert "recommendations" in reply
