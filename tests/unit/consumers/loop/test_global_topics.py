"""The catalogue and the announcements, read whole by every worker: bad ones buried, only the last of a key acted on."""

import json
import time

import msgspec
import pytest

from consumers.decoding.catalogue import read_listed
from consumers.decoding.fields import InvalidRecord
from consumers.ingest.dead_letters import DeadLetters
from consumers.kafka.records import ReadError, Record
from consumers.loop.global_topics import GlobalTopics
from consumers.observability.metrics import Metrics
from model.catalogue.product import Product
from model.store.writer import Store
from tests.builders.topics import records_on
from tests.builders.worker_world import clients_of
from tests.unit.consumers.releases.test_announcement import SAID


def listed(value, key=b"tea", brands=("", "acme")):
    raw = json.dumps(value).encode() if isinstance(value, dict) else value
    return read_listed(Record("catalog", 0, 0, key, raw), lambda _product_id: list(brands))


def test_an_entry_is_read_with_all_its_fields():
    entry = {"product_id": "tea", "brand_id": "acme", "title": "Tea", "category": "Kitchen", "price": 4.5, "x": 1}

    assert listed(entry) == [Product("acme", "tea", 4.5, "Tea", "Kitchen")]


def test_an_entry_may_name_nothing_but_its_product():
    assert listed({"product_id": "tea"}) == [Product("", "tea")]


def test_a_null_value_withdraws_the_product_in_every_brand():
    assert listed(None) == [Product("", "tea", withdrawn=True), Product("acme", "tea", withdrawn=True)]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({}, "product_id"),
        ({"product_id": ""}, "product_id"),
        ({"product_id": "x" * 257}, "product_id"),
        ({"product_id": "tea", "brand_id": "\x00"}, "brand_id"),
        ({"product_id": "tea", "price": -1}, "price"),
        ({"product_id": "tea", "price": "4,50"}, "price"),
        ({"product_id": "tea", "title": "x" * 1001}, "title"),
        ({"product_id": "tea", "category": "x" * 1001}, "category"),
        ({"product_id": "tea", "title": 7.5}, "title"),
        (b'{"product_id":"tea","price":1e999}', "price"),
        (b"\xff", "value"),
    ],
)
def test_an_entry_that_can_not_be_used_names_the_field(value, field):
    with pytest.raises(InvalidRecord) as refused:
        listed(value)

    assert refused.value.field == field


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_null_value_without_a_product_is_refused(key):
    with pytest.raises(InvalidRecord):
        listed(None, key)


class Reading:
    """Both topics on an embedded broker, and what came of them."""

    def __init__(self, broker, path, suffix):
        self.catalog, self.models, self.dead = (f"{name}-{suffix}" for name in ("catalog", "models", "dead"))
        for name in (self.catalog, self.models, self.dead):
            broker.create_topic(name, 1)
        self.clients = clients_of(broker)
        self.producer = self.clients.producer()
        self.metrics = Metrics()
        self.store = Store(path)
        self.heard = []

    def start(self):
        self.broadcasts = GlobalTopics(
            consumer=self.clients.consumer("broadcasts", enable_partition_eof="true"),
            store=self.store,
            dead_letters=DeadLetters(self.producer, self.dead),
            metrics=self.metrics,
            cluster_id="cluster",
            catalog=self.catalog,
            models=self.models,
            on_announced=lambda brand, said: self.heard.append((brand, said and said.version)),
            on_catalogue=lambda numbers: self.heard.append(list(numbers)),
        )
        self.broadcasts.start()

    def send(self, topic, key, value):
        raw = msgspec.json.encode(value) if isinstance(value, dict) else value
        self.producer.produce(getattr(self, topic), key=key, value=raw)
        self.producer.flush(5)

    def turn_until(self, reached):
        give_up = time.monotonic() + 10
        while not reached():
            assert time.monotonic() < give_up, "nothing came"
            self.broadcasts.turn()

    def announce(self, number, key=b"*", **said):
        version = f"v{number}-20261124T101500Z"
        self.send("models", key, SAID | {"version": version, "uri": version} | said)
        return version


@pytest.fixture
def reading(broker, tmp_path):
    made = Reading(broker, tmp_path / "alsobought.db", tmp_path.name)
    yield made
    made.broadcasts.consumer.close()
    made.store.close()


def test_only_the_last_announcement_of_each_key_is_acted_on(reading):
    for number in (1, 2, 3):
        last = reading.announce(number)
    acme = reading.announce(4, key=b"acme", brand_id="acme")
    reading.start()
    early = reading.broadcasts.caught_up

    reading.turn_until(lambda: reading.heard)

    assert (early, reading.broadcasts.caught_up) == (False, True)
    assert reading.heard == [("", last), ("acme", acme)]


def test_a_model_that_was_taken_away_again_is_never_opened(reading):
    reading.announce(1)
    reading.send("models", b"*", None)
    reading.start()

    reading.turn_until(lambda: reading.heard)

    assert reading.heard == [("", None)]


def test_an_empty_topic_is_read_at_once(reading):
    reading.start()

    assert reading.broadcasts.caught_up


def test_an_announcement_that_can_not_be_read_is_counted_and_passed_over(reading):
    good = reading.announce(1)
    reading.send("models", b"*", b"\xff")
    reading.send("models", None, b"{}")
    reading.announce(2, uri="../../etc")
    reading.start()

    reading.turn_until(lambda: reading.broadcasts.caught_up)
    reading.broadcasts.turn()

    refused = {"reason": "unreadable_announcement"}
    assert reading.metrics.registry.get_sample_value("alsobought_model_refused_total", refused) == 3
    assert reading.heard == [("", good)]


def test_a_topic_whose_last_records_were_compacted_away_is_read_when_its_end_is_seen(reading):
    reading.announce(1)
    reading.start()
    reading.broadcasts._ends[0] = 9

    reading.broadcasts._on_error(ReadError(reading.models, 0, 9, -191, "_PARTITION_EOF", "", fatal=False))

    assert reading.broadcasts.caught_up


def test_the_catalogue_is_kept_with_its_offset_and_bad_entries_are_buried(reading):
    reading.send("catalog", b"tea", {"product_id": "tea", "title": "Tea"})
    reading.send("catalog", b"pot", b"poison")
    reading.send("catalog", b"pot", {"product_id": "pot", "price": 9})
    reading.start()

    reading.turn_until(lambda: reading.store.catalogue_positions() == {f"cluster/{reading.catalog}/0": 3})

    assert [product.product_id for product in reading.store.products()[1:]] == ["tea", "pot"]
    assert [letter.value for letter in records_on(reading.clients, reading.dead)] == [b"poison"]
    buried = {"topic": reading.catalog, "reason": "not_json"}
    assert reading.metrics.registry.get_sample_value("alsobought_dead_letters_total", buried) == 1


def test_the_catalogue_is_read_on_from_where_it_was_left(reading):
    reading.send("catalog", b"tea", {"product_id": "tea"})
    reading.start()
    reading.turn_until(lambda: reading.heard)
    reading.broadcasts.consumer.close()
    reading.send("catalog", b"tea", None)

    reading.start()
    reading.turn_until(lambda: len(reading.heard) > 1)

    assert reading.heard == [[1], [1]]
    assert reading.store.products()[1].withdrawn
