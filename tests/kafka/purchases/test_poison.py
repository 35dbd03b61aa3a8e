"""Records that cannot be read lie between two good ones: they become dead letters as they came, the good ones count."""

import json
import random

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import oracle
from tests.kafka.support.records import Read, Record, Shape, product, purchase
from tests.kafka.support.running_shop import RunningShop, running_shop
from tests.kafka.support.service import run_command

PHONE_KEY = "a secret of the shop, for tests"
PREFIX = "__connect.errors."


def event(**fields: object) -> bytes:
    """A purchase by c-1 that would be good without these fields."""
    good = {"event_id": "o-1", "profile_id": "c-1", "items": [{"product_id": "tea", "quantity": 1}]}
    return json.dumps(good | fields).encode()


def item(**fields: object) -> bytes:
    return event(items=[{"product_id": "tea", "quantity": 1, **fields}])


POISON = {
    "no JSON": (b'{"event_id": ', "not_json"),
    "no text": (b"\xff\xfe\x00", "not_json"),
    "empty": (b"", "not_json"),
    "deeply nested": (b'{"x": ' + b"[" * 100_000, "not_json"),
    "another type": (b'"a text"', "wrong_type"),
    "a number as id": (event(profile_id=7.5), "wrong_type"),
    "items that are none": (event(items="tea"), "wrong_type"),
    "no customer": (event(profile_id=None), "missing_field"),
    "no items": (event(items=[]), "missing_field"),
    "an item without product": (event(items=[{"quantity": 1}]), "missing_field"),
    "the year 9999": (event(occurred_at="9999-12-31T23:59:59Z"), "out_of_range"),
    "no date": (event(occurred_at="yesterday"), "out_of_range"),
    "an id of 10 kB": (event(profile_id="x" * 10_240), "out_of_range"),
    "a product id of 10 kB": (item(product_id="x" * 10_240), "out_of_range"),
    "a control character": (event(profile_id="c\x001"), "out_of_range"),
    "NaN bought": (item(quantity=float("nan")), "not_json"),
    "nothing bought": (item(quantity=0), "out_of_range"),
    "infinitely many": (item(quantity=1).replace(b'"quantity": 1', b'"quantity": 1e999'), "out_of_range"),
    "a price below 0": (item(price=-1), "out_of_range"),
    "the framing of a Schema Registry": (b"\x00\x00\x00\x00\x01" + event(), "not_json"),
    "the time of an Excel sheet": (event(occurred_at=46_348), "out_of_range"),
    "a phone and no key": (event(profile_id=None, phone="+49301234567"), "no_phone_hash_key"),
}


@pytest.fixture(scope="module")
def running(broker, tmp_path_factory):
    with running_shop(broker, tmp_path_factory.mktemp("poison")) as shop:
        yield shop


def poisons(customer: str) -> list[Record]:
    return [Record(customer.encode(), value, (("trace", b"\x00\xff"),)) for value, _ in POISON.values()]


def letters_of(shop: RunningShop, topic: str, customer: str) -> list[Read]:
    """The dead letters of one topic and key, in the order they came."""
    found = shop.client.read_all(shop.topics.dead_letters)
    mine = [read for read in found if (read.header(PREFIX + "topic"), read.key) == (topic.encode(), customer.encode())]
    return sorted(mine, key=lambda read: int(read.header(PREFIX + "offset") or b"-1"))


def test_every_kind_of_poison_is_set_aside_as_it_came_and_the_good_ones_around_it_count(running):
    sent = [purchase("c-1", "tea"), *poisons("c-1"), purchase("c-1", "cup", colour="blue", items_total={"x": [1]})]
    places = running.buy(*sent)
    answer = running.ask_after(places[-1], "c-1")
    letters = letters_of(running, running.topics.purchases, "c-1")

    assert oracle.stored(running.service.database)["c-1"] == ["tea", "cup"]
    assert answer["watermark"]["offset"] == places[-1][1]
    assert [(read.key, read.value) for read in letters] == [(record.key, record.value) for record in sent[1:-1]]
    assert [read.header("trace") for read in letters] == [b"\x00\xff"] * len(POISON)
    given = [(read.header(PREFIX + "exception.class.name") or b"").decode() for read in letters]
    assert dict(zip(POISON, given, strict=True)) == {name: reason for name, (_, reason) in POISON.items()}
    assert [(read.header(PREFIX + "partition"), read.header(PREFIX + "offset")) for read in letters] == [
        (b"%d" % partition, b"%d" % offset) for partition, offset in places[1:-1]
    ]


def test_dead_letters_are_counted_by_reason(running):
    name = f'alsobought_dead_letters_total{{reason="not_json",topic="{running.topics.purchases}"}}'
    counted = ('alsobought_events_total{outcome="dead"}', name)
    before = [running.service.metric(metric) for metric in counted]
    places = running.buy(Record(b"c-2", b"{"), Record(b"c-2", b"}"), purchase("c-2", "tea"))
    running.ask_after(places[-1], "c-2")

    assert [running.service.metric(metric) for metric in counted] == [before[0] + 2, before[1] + 2]


def test_a_dead_letter_says_what_is_wrong_and_with_which_field_but_no_value(running):
    places = running.buy(Record(b"c-3", event(profile_id="c-3", occurred_at="9999-01-01T00:00:00Z")))
    eventually(lambda: bool(letters_of(running, running.topics.purchases, "c-3")), "the dead letter is there")
    (letter,) = letters_of(running, running.topics.purchases, "c-3")
    said = (letter.header(PREFIX + "exception.message") or b"").decode()

    assert "occurred_at" in said
    assert "9999" not in said
    assert letter.header(PREFIX + "stage") == b"VALUE_CONVERTER"
    assert letter.header(PREFIX + "offset") == b"%d" % places[0][1]


def test_a_catalogue_entry_that_cannot_be_read_is_set_aside_and_the_next_is_taken(running):
    place = running.buy(purchase("c-4", "lamp", "rope"))[-1]
    running.ask_after(place, "c-4")
    running.client.send(
        running.topics.catalog, product("lamp", price=-3), Record(b"lamp", b"?"), product("lamp", title="A lamp")
    )
    running.buy(purchase("c-5", "rope"))

    def titles() -> set[str | None]:
        offered = running.ask("c-5", kind="popular", k=50)["recommendations"]
        return {item["title"] for item in offered if item["product_id"] == "lamp"}

    eventually(lambda: titles() == {"A lamp"}, "the product has its title")
    letters = letters_of(running, running.topics.catalog, "lamp")
    assert [(read.value or b"")[-1:] for read in letters] == [b"}", b"?"]


def test_a_request_that_cannot_be_read_is_told_so_where_its_answer_would_have_gone(running):
    def errors() -> list[Read]:
        replies = running.client.read_all(running.topics.replies)
        return [read for read in replies if read.key == b"c-6" and read.header("error")]

    running.client.send(running.topics.requests, Record(b"c-6", b"{no json"))
    eventually(lambda: bool(errors()), "the error reply is there")

    assert [error.json["error"]["code"] for error in errors()] == ["not_json"]
    assert letters_of(running, running.topics.requests, "c-6") == []
    assert running.reply({"profile_id": "c-6"}, shape=Shape.SPRING).json["profile_id"] == "c-6"


@pytest.mark.needs_real_broker(one=True)
def test_dead_letters_come_back_after_a_fix_and_are_counted_once(broker, tmp_path):
    with running_shop(broker, tmp_path, role="worker") as shop:
        by_phone = event(event_id="by-phone", profile_id=None, phone="+49 30 1234567")
        shop.buy(Record(b"caller", by_phone), purchase("caller", "cup"))
        eventually(lambda: len(letters_of(shop, shop.topics.purchases, "caller")) == 1, "the dead letter is there")
        shop.service.stop()
        shop.service.environment["ALSOBOUGHT_PHONE_HASH_KEY"] = PHONE_KEY
        shop.service.start()

        replay = ("dead-letters", "replay", "--reason", "no_phone_hash_key")
        said = [run_command(shop.service, *replay) for _ in range(2)]  # the event id keeps it from counting twice
        repeats = 'alsobought_events_total{outcome="duplicate"}'
        eventually(lambda: shop.service.metric(repeats) == 1, "all has come back")

    assert [(code, text.strip()) for code, text in said] == [(0, "1 dead letters sent back")] * 2
    bought = oracle.stored(shop.service.database)
    assert {name[:6]: products for name, products in bought.items()} == {"caller": ["cup"], "phone-": ["tea"]}
    assert "1234567" not in shop.service.log.read_text()


@pytest.mark.needs_real_broker
def test_a_record_of_ten_megabytes_is_set_aside_whole(broker, tmp_path):
    large = {"max.message.bytes": "12000000"}
    with running_shop(broker, tmp_path, partitions=1, purchases_config=large, dead_letters_config=large) as shop:
        huge = Record(b"c-1", b'{"event_id": "' + b"x" * 10_000_000 + b'"}')
        place = shop.buy(purchase("c-1", "tea"), huge, purchase("c-1", "cup"))[-1]
        shop.ask_after(place, "c-1")
        (letter,) = letters_of(shop, shop.topics.purchases, "c-1")

    assert oracle.stored(shop.service.database) == {"c-1": ["tea", "cup"]}
    assert letter.value == huge.value
    assert letter.header(PREFIX + "exception.class.name") == b"too_large"


@pytest.mark.needs_real_broker(one=True)
def test_of_a_record_that_does_not_fit_the_dead_letter_topic_the_headers_and_size_are_kept(broker, tmp_path):
    with running_shop(broker, tmp_path, partitions=1, purchases_config={"max.message.bytes": "12000000"}) as shop:
        huge = Record(b"c-1", random.Random(1).randbytes(3_000_000))  # which no compression makes fit
        place = shop.buy(purchase("c-1", "tea"), huge, purchase("c-1", "cup"))[-1]
        shop.ask_after(place, "c-1")
        (letter,) = letters_of(shop, shop.topics.purchases, "c-1")

    assert oracle.stored(shop.service.database) == {"c-1": ["tea", "cup"]}
    assert (letter.value, letter.header(PREFIX + "original.bytes")) == (None, b"3000000")
