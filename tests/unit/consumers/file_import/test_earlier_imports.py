"""A second import of a file: what is there already is not sent, what is new arrives once, and it is said."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from consumers.file_import.earlier_imports import event_id
from consumers.file_import.purchase_files import open_purchases
from consumers.kafka.clients import KafkaClients
from consumers.kafka.topic_reader import read_topic
from model.store.reader import read_contents
from serving.demo.show import PROPERTIES
from tests.builders.running import environment, new_broker, ran, running, send, until

HEADER = "customer_id,order_id,product_id,ts,quantity,price"
LATEST_MS = 1_900_000_000_000
MOMENT = "2026-03-01T10:00:00Z"
TEA, POT, CUP = (f"r-1,8001,{product},{MOMENT},1,4.5" for product in ("tea", "pot", "cup"))
OTHER = f"r-2,8002,cup,{MOMENT},1,3"


class Shop:
    """Files, imports of them, and what a service makes of the topic."""

    def __init__(self, broker, folder):
        self.broker = broker
        self.folder = folder
        self.env = environment(broker.bootstrap, folder / "data")

    def file(self, *lines, header=HEADER):
        path = self.folder / "orders.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return str(path)

    def take(self, *lines, header=HEADER, options=()):
        """What an import of these lines says."""
        done = ran("import", self.file(*lines, header=header), *options, env=self.env)
        assert done.exit_code == 0, done.output
        return done.output

    def events(self):
        clients = KafkaClients(self.broker.bootstrap, PROPERTIES)
        read = read_topic(clients, "purchases", group="tests", setting="purchases_topic")
        values = [record.value for record in read]
        return [json.loads(value) for value in values]

    def bought(self):
        """Products by customer as a service knows them, each as often as it counts."""
        done = ran("rebuild", env=self.env)
        assert done.exit_code == 0, done.output
        contents = read_contents(self.folder / "data" / "alsobought.db")
        lines = [contents.products[number].product_id for number in contents.histories.products]
        starts = contents.histories.starts.tolist()
        return sorted(sorted(lines[start:end]) for start, end in pairwise(starts))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with new_broker() as broker:
        yield Shop(broker, tmp_path)


def test_the_same_contents_are_not_sent_again(shop):
    shop.take(TEA, POT, OTHER)
    said = shop.take(OTHER, POT, TEA)

    assert "2 orders were already there" in said
    assert "sent 0 records to purchases" in said
    assert len(shop.events()) == 2
    assert shop.bought() == [["cup"], ["pot", "tea"]]


def test_products_that_were_added_to_an_order_arrive_once(shop):
    shop.take(TEA, OTHER)
    said = shop.take(TEA, POT, CUP, OTHER)
    again = shop.take(TEA, POT, CUP, OTHER)

    assert "2 orders were already there, 1 has 2 new products" in said
    assert "2 orders were already there\n" in again
    assert shop.bought() == [["cup"], ["cup", "pot", "tea"]]


def test_an_order_divided_over_two_files_is_whole_in_either_order(shop):
    shop.take(TEA, POT)
    said = shop.take(CUP, f"r-3,8003,tea,{MOMENT},1,1")
    shop.take(TEA, POT, CUP)

    assert "1 order was already there, 1 has 1 new product" in said
    assert shop.bought() == [["cup", "pot", "tea"], ["tea"]]


def test_a_line_that_was_mended_is_added(shop):
    shop.take(TEA, f"r-1,8001,pot,{MOMENT},some,4.5")
    said = shop.take(TEA, POT)

    assert "1 order was already there, 1 has 1 new product" in said
    assert shop.bought() == [["pot", "tea"]]


@pytest.mark.parametrize("header", [HEADER, "customer_id,number,product_id,ts,quantity,price"])
def test_a_corrected_price_doubles_nothing_and_is_said_to_stay_as_it_was_sent(shop, header):
    shop.take(TEA, POT, header=header)
    said = shop.take(TEA, POT.replace("4.5", "19.9"), header=header)

    assert "1 order has another price or quantity than was sent first: kept as first sent" in said
    assert len(shop.events()) == 1
    assert shop.bought() == [["pot", "tea"]]


def test_without_an_order_column_a_further_line_is_added_to_the_customers_order_of_that_moment(shop):
    header = "customer_id,number,product_id,ts,quantity,price"
    shop.take(TEA, OTHER, header=header)
    said = shop.take(TEA, POT, OTHER, header=header)
    shop.take(TEA, POT, OTHER, header=header)

    assert "2 orders were already there, 1 has 1 new product" in said
    assert shop.bought() == [["cup"], ["pot", "tea"]]


def test_what_the_service_dropped_as_a_repeat_of_an_earlier_version_is_not_taken_for_there(shop):
    first = event_id(["", "r-1", "8001"])
    items = [{"product_id": "tea"}], [{"product_id": "tea"}, {"product_id": "pot"}]
    sent = [{"event_id": first, "profile_id": "r-1", "occurred_at": MOMENT, "items": each} for each in items]
    send(shop.broker, "purchases", *(("r-1", event) for event in sent))

    said = shop.take(TEA, POT)

    assert "1 order was already there, 1 has 1 new product" in said
    assert shop.bought() == [["pot", "tea"]]


def test_an_order_too_long_for_one_event_is_known_with_all_its_parts(shop):
    lines = [f"r-1,8001,p{number},{MOMENT},1,1" for number in range(4_100)]
    shop.take(*lines)
    said = shop.take(lines[4_050], lines[0], CUP)

    assert "1 order was already there, 1 has 1 new product" in said
    assert [len(event["items"]) for event in shop.events()] == [2_000, 2_000, 100, 1]


def test_two_imports_that_race_add_a_product_once(shop):
    shop.take(TEA)
    clients = KafkaClients(shop.broker.bootstrap, PROPERTIES)
    path = Path(shop.file(TEA, POT.replace("4.5", "9"), CUP))
    with open_purchases(path, latest_ms=LATEST_MS) as one, open_purchases(path, latest_ms=LATEST_MS) as two:
        assert [file.compare(clients, "purchases").products for file in (one, two)] == [2, 2]
        for file in (one, two):
            send(shop.broker, "purchases", *((e.key.decode(), e.value) for batch in file.batches() for e in batch))

    assert len(shop.events()) == 5
    assert shop.bought() == [["cup", "pot", "tea"]]


def test_a_brand_is_part_of_an_order(shop):
    shop.take(TEA, options=("--brand-id", "acme"))
    said = shop.take(TEA, POT, options=("--brand-id", "zeta"))

    assert "already there" not in said
    assert [event["brand_id"] for event in shop.events()] == ["acme", "zeta"]


def test_rubbish_and_other_systems_records_on_the_topic_do_no_harm(shop):
    record = {"event_id": "import-x", "profile_id": "r-1", "occurred_at": "?", "items": "none"}
    send(
        shop.broker, "purchases", ("r-1", b'{"import-'), ("r-1", record), ("r-1", b'[\n"import-"\n]'), ("r-1", b"\xff")
    )

    said = shop.take(TEA)

    assert "sent 1 records" in said
    assert "already there" not in said


def test_an_order_at_another_time_stays_where_it_was_sent(shop):
    shop.take(TEA)
    said = shop.take(TEA.replace("T10", "T11"), POT.replace("T10", "T11"))

    assert "1 order has another time than was sent first: kept as first sent" in said
    assert {event["occurred_at"] for event in shop.events()} == {MOMENT}


def test_all_is_sent_again_where_that_is_asked_for(shop):
    shop.take(TEA)
    said = shop.take(TEA, options=("--send-all",))

    assert "sent 1 records" in said
    assert shop.bought() == [["tea"]]


def test_json_has_the_counts(shop):
    shop.take(TEA, OTHER)
    done = ran("import", shop.file(TEA, POT, OTHER, f"r-4,9,tea,{MOMENT},1,1"), "--json", env=shop.env)

    report = json.loads(done.stdout)["purchases"]
    counted = {name: report["already"][name] for name in ("known", "extended", "products", "changed", "new", "lines")}
    assert counted == {"known": 2, "extended": 1, "products": 1, "changed": 0, "new": 1, "lines": 2}
    assert report["sent"]["records"] == 2


def test_a_running_service_counts_a_changed_order_once(shop):
    with running(shop.broker, shop.folder / "data") as service:
        shop.take(TEA, OTHER)
        shop.take(TEA, POT, OTHER)
        shop.take(TEA, POT, CUP, OTHER)
        applied = 'alsobought_events_total{outcome="applied"}'
        until(lambda: service.metrics().get(applied) == 4, service)

    assert shop.bought() == [["cup"], ["cup", "pot", "tea"]]
