"""What a batch of purchases comes to: counted by outcome, skipped by type, forgotten or not, and what is said of it."""

import json

import pytest

from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.odd_events import OddEvents
from consumers.ingest.purchases import Ingest
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.store.writer import Store

NOW_MS = 1_790_000_000_000
STRUCTURED = (("content-type", b"application/cloudevents+json"),)
CANCELLED = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "com.shop.order.cancelled",
    "time": "2026-11-22T10:00:00Z",
    "data": {"profile_id": "w-22", "items": [{"product_id": "tea"}]},
}


class Letters:
    def __init__(self):
        self.kept = []

    def deliver(self, letters):
        self.kept += letters


class World:
    def __init__(self, path):
        self.store = Store(path)
        self.store.open_log("cluster", "purchases", "id", 0)
        self.letters, self.metrics, self.said = Letters(), Metrics(), []
        self.ingest = Ingest(
            store=self.store,
            decoder=PurchaseDecoder(max_future_s=10**9),
            dead_letters=self.letters,
            partition_count=1,
            metrics=self.metrics,
            on_applied=lambda _applied: None,
            odd=OddEvents(say=lambda event, **words: self.said.append((event, words))),
        )

    def take(self, *values, key=b"w-22", headers=(), timestamp_ms=NOW_MS):
        first = self.store.next_offset(0)
        raw = [value if value is None else json.dumps(value).encode() for value in values]
        self.ingest.take(
            [Record("purchases", 0, first + at, key, value, headers, timestamp_ms) for at, value in enumerate(raw)]
        )

    def count(self, name="events_total", **labels):
        return self.metrics.registry.get_sample_value(f"alsobought_{name}", labels)

    def bought(self, profile="w-22"):
        numbers = self.store.histories([profile]).products
        return [self.store.products()[number].product_id for number in numbers]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "alsobought.db")
    yield world
    world.store.close()


def order(**fields):
    return {"profile_id": "w-22", "items": [{"product_id": "tea"}]} | fields


def test_a_cancelled_order_is_skipped_counted_by_type_and_said_and_is_no_dead_letter(world):
    world.take(CANCELLED, headers=STRUCTURED)
    world.take(order(), headers=(("ce_id", b"2"), ("ce_type", b"com.shop.order.cancelled")))

    assert world.bought() == []
    assert world.letters.kept == []
    assert world.store.next_offset(0) == 2
    assert world.count(outcome="skipped") == 2
    assert world.count("skipped_events_total", type="com.shop.order.cancelled") == 2
    assert world.said[0][0] == "events_skipped"


def test_types_beyond_all_measure_share_one_series(world):
    world.take(*[order(event_type=f"thing.number-{number}") for number in range(80)])

    assert world.count(outcome="skipped") == 80
    assert world.count("skipped_events_total", type="other") == 30


def test_a_null_value_that_hits_nobody_is_no_forgetting(world):
    world.take(order())
    for key in (b'"w-22"', b" w-22", b"W-22"):
        world.take(None, key=key)

    assert (world.count(outcome="forgotten"), world.count(outcome="forgot_nobody")) == (0, 3)
    assert world.bought() == ["tea"]
    assert {event for event, _ in world.said} == {"forgot_nobody"}
    assert "w-22" not in repr(world.said).lower()


def test_a_null_value_that_hits_somebody_is_one_once(world):
    world.take(order(), None, None, order(), None)
    world.take(None)

    assert (world.count(outcome="forgotten"), world.count(outcome="forgot_nobody")) == (2, 2)


def test_a_record_timestamp_in_seconds_does_not_make_the_newest_order_the_oldest(world):
    world.take(order(), timestamp_ms=NOW_MS // 1000)

    (letter,) = world.letters.kept
    assert letter.reason == "out_of_range"
    assert "seconds where milliseconds belong" in letter.message
    assert world.bought() == []


def test_a_customer_whose_id_is_written_as_a_number_and_as_text_is_one(world):
    world.take(order(profile_id=42), order(profile_id="42", items=[{"product_id": 7}]), key=b"42")

    assert world.bought("42") == ["tea", "7"]
