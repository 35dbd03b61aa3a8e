"""The store counts each order once, keeps histories and offsets together, and forgets on request."""

import random
import sqlite3
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from model.catalogue.product import Product
from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.codec import Orders, pack
from model.store.dedupe_window import old_event_hashes
from model.store.reader import read_contents, read_watermark
from model.store.schema import MIGRATIONS, NewerSchema, StoreUnavailable, open_to_write
from model.store.statements import HISTORIES_OF
from model.store.writer import Store


def order(profile="ada", *products, event_id="", time_s=1000, brand="", prices=None):
    products = products or ("tea",)
    return Purchase(profile, brand, time_s, products, prices or (float("nan"),) * len(products), event_id)


def log_of(*changes, partition=0, start=0):
    return [LogRecord(partition, start + at, change) for at, change in enumerate(changes)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alsobought.db"


@pytest.fixture
def store(path):
    store = open_store(path)
    yield store
    store._db.close()


def open_store(path: Path, partitions=(0,), **settings) -> Store:
    store = Store(path, **settings)
    for partition in partitions:
        store.open_log("cluster", "purchases", "id-1", partition)
    return store


def bought(store: Store, profile: str) -> list[str]:
    histories = store.histories([profile])
    return [store.products()[number].product_id for number in histories.products]


def test_an_unknown_customer_has_bought_nothing(store):
    assert bought(store, "nobody") == []


def test_orders_are_read_back_in_the_order_of_arrival(store):
    store.apply(log_of(order("ada", "tea", "cup"), order("bob", "ink"), order("ada", "pot")))

    assert bought(store, "ada") == ["tea", "cup", "pot"]


def test_a_batch_of_customers_is_read_in_the_order_asked(store):
    store.apply(log_of(order("ada", "tea"), order("bob", "ink", "pen")))

    histories = store.histories(["bob", "nobody", "ada", "bob"])

    assert histories.starts.tolist() == [0, 2, 2, 3, 5]


def test_a_record_that_is_read_again_changes_nothing(store):
    records = log_of(order("ada", "tea"), order("ada", "cup"))
    store.apply(records)

    again = store.apply(records)

    assert (again.applied, again.replayed) == (0, 2)
    assert bought(store, "ada") == ["tea", "cup"]


def test_a_repeated_event_id_is_counted_once_across_batches_and_restarts(path):
    first = open_store(path, fold_every_events=2)
    first.apply(log_of(order("ada", "tea", event_id="o-1"), order("ada", "tea", event_id="o-1")))
    first.apply(log_of(order("bob", "ink", event_id="o-2"), start=2))
    first._db.close()

    again = open_store(path)
    result = again.apply(log_of(order("ada", "tea", event_id="o-1"), order("bob", "ink", event_id="o-2"), start=3))

    assert (result.applied, result.duplicate) == (0, 2)
    assert bought(again, "ada") == ["tea"]
    again.close()


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_what_the_dedupe_window_holds_does_not_depend_on_batches(path, batch):
    store = open_store(path, dedupe_window_events=3)
    events = [
        "a",
        "b",
        "c",
        "a",
        "d",
        "e",
        "a",
        "f",
        "b",
    ]  # the second a is 3 back, the third 6 back, the second b 6 back
    records = log_of(*(order("ada", "tea", event_id=event) for event in events))

    applied = sum(store.apply(records[at : at + batch]).applied for at in range(0, len(records), batch))

    assert applied == 8
    store.close()


def test_the_same_event_id_of_two_brands_is_two_orders(store):
    result = store.apply(log_of(order("ada", event_id="1", brand="a"), order("ada", event_id="1", brand="b")))

    assert result.applied == 2


def test_a_dead_letter_moves_the_offset_only(store):
    store.apply([LogRecord(0, 5, None)])

    assert store.next_offset(0) == 6


def test_folding_changes_no_history(path):
    store = open_store(path, fold_every_events=2)
    for at in range(7):
        store.apply(log_of(order("ada", f"p{at}"), start=at))

    assert bought(store, "ada") == [f"p{at}" for at in range(7)]
    store.close()


def all_bought(store):
    return {profile: bought(store, profile) for profile in (f"customer-{at}" for at in range(5))}


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr("model.store.folding._PART_EVENTS", 2)
    monkeypatch.setattr("model.store.folding._DIVIDED_TOGETHER", 1)
    monkeypatch.setattr("model.store.folding._PRICES_TOGETHER", 5)


def test_a_fold_goes_a_step_with_each_batch(path, small_steps):
    store = open_store(path, fold_every_events=12)
    store.apply(log_of(*(order(f"customer-{at % 5}", f"p{at}", prices=(1.0 + at,)) for at in range(12))))
    left = []
    for at in range(12, 25):
        store.apply(log_of(order("customer-0", f"q{at}"), start=at))
        left.append(store._folding.parts_left)

    # how many there are, the prices in three lots, a part of each of five customers, the file; then two at a time
    assert left == [0] * 9 + [5, 3, 1, 0]
    store.close()


@pytest.mark.parametrize("later_batches", range(14))
def test_a_fold_on_its_way_or_cut_short_changes_nothing(path, small_steps, later_batches):
    store = open_store(path, fold_every_events=12)
    orders = [order(f"customer-{at % 5}", f"p{at}", prices=(1.0 + at,), event_id=f"e{at}") for at in range(12)]
    store.apply(log_of(*orders))
    for at in range(later_batches):
        store.apply(log_of(order("customer-0", f"q{at}"), start=12 + at))
    expected = {f"customer-{at}": [f"p{number}" for number in range(at, 12, 5)] for at in range(5)}
    expected["customer-0"] += [f"q{at}" for at in range(later_batches)]

    assert all_bought(store) == expected
    contents = read_contents(path)
    read = [contents.products[number].product_id for number in contents.histories.products]
    assert read == [product for products in expected.values() for product in products]
    store._db.close()  # as a killed process leaves it
    again = open_store(path)
    assert all_bought(again) == expected
    assert [again.price_of(again.number_of("", f"p{at}")) for at in range(12)] == [1.0 + at for at in range(12)]
    assert again.apply(log_of(*orders, start=100)).duplicate == 12
    again.close()


def test_lines_wait_longer_where_there_are_many_customers(path):
    store = open_store(path, fold_every_events=1)
    store.apply(log_of(*(order(f"customer-{at}") for at in range(30))))
    store.fold()
    waiting = []
    for at in range(30, 33):
        store.apply(log_of(order("customer-0", f"p{at}"), start=at))
        waiting.append(store._folding.tail.events)

    assert waiting == [1, 2, 0]  # a tenth of the customers
    store.close()


def test_an_unclean_end_loses_nothing_that_was_committed(path):
    store = open_store(path, fold_every_events=3)
    for at in range(5):
        store.apply(log_of(order("ada", f"p{at}", prices=(float(at),)), start=at))
    store._db.close()  # as a killed process leaves it

    again = open_store(path)

    assert again.next_offset(0) == 5
    assert bought(again, "ada") == [f"p{at}" for at in range(5)]
    assert again.price_of(again.number_of("", "p4")) == 4.0
    again.close()


def test_a_batch_that_fails_leaves_no_trace(store):
    store._db.execute("CREATE TRIGGER no BEFORE INSERT ON tail BEGIN SELECT RAISE(ABORT, 'disk trouble'); END")
    with pytest.raises(StoreUnavailable, match="disk trouble"):
        store.apply(log_of(order("ada", "tea", event_id="o-1")))
    store._db.execute("DROP TRIGGER no")

    result = store.apply(log_of(order("ada", "tea", event_id="o-1")))

    assert result.applied == 1
    assert bought(store, "ada") == ["tea"]


def test_a_null_purchase_forgets_the_customer_and_later_orders_count_again(store):
    store.apply(log_of(order("ada", "tea"), order("bob", "ink")))

    result = store.apply(log_of(order("ada", "cup"), Forget("ada"), order("ada", "pot"), start=2))

    assert result.forgotten == 1
    assert bought(store, "ada") == ["pot"]
    assert bought(store, "bob") == ["ink"]


def test_what_was_forgotten_stays_forgotten_after_an_unclean_end(path):
    store = open_store(path)
    store.apply(log_of(order("ada", "tea"), order("ada", "cup")))
    store.apply(log_of(Forget("ada"), start=2))
    store._db.close()

    again = open_store(path)

    assert bought(again, "ada") == []
    assert read_contents(path).histories.products.tolist() == []
    again.close()


def test_a_forgotten_customer_leaves_no_bytes_in_the_files(path):
    store = open_store(path, fold_every_events=1)
    store.apply(log_of(order("somebody-unforgettable", "tea")))
    store.apply(log_of(Forget("somebody-unforgettable"), start=1))
    store._db.close()

    left = b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))

    assert b"somebody-unforgettable" not in left


def test_forgotten_customers_leave_no_bytes_where_their_page_was_split(path):
    names = [f"somebody-{random.Random(n).getrandbits(64):016x}" for n in range(4000)]  # in no order, many pages
    store = open_store(path, fold_every_events=500)
    for start in range(0, len(names), 100):
        store.apply(log_of(*(order(name, "tea") for name in names[start : start + 100]), start=start))
    store.apply(log_of(*map(Forget, names[::40]), start=len(names)))
    store._db.close()

    left = b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))

    assert [name for name in names[::40] if name.encode() in left] == []
    assert all(name.encode() in left for name in names[1::40])


def test_a_topic_made_anew_is_read_from_its_start_and_the_old_orders_are_set_aside(store):
    store.apply(log_of(order("ada", "old"), order("ada", "older")))

    set_aside = store.use_topic("cluster", "purchases", "id-2")
    log = store.open_log("cluster", "purchases", "id-2", 0)
    store.apply(log_of(order("ada", "new")))

    assert (set_aside, log.next) == (2, 1)
    assert bought(store, "ada") == ["new"]
    assert read_contents(store.path).watermark.offsets == {0: 1}


def test_coming_back_to_the_old_cluster_finds_its_offsets_and_orders_again(store):
    store.apply(log_of(order("ada", "here")))
    store.use_topic("elsewhere", "purchases", "")
    store.open_log("elsewhere", "purchases", "", 0)
    store.use_topic("cluster", "purchases", "id-1")

    assert read_watermark(store.path).offsets == {0: 1}
    assert store.open_log("cluster", "purchases", "id-1", 0).next == 1
    assert bought(store, "ada") == ["here"]


@pytest.mark.parametrize("fold_every_events", [1, 2, 10])
def test_a_partition_given_away_is_not_answered_from(path, fold_every_events):
    store = open_store(path, partitions=(0, 1), fold_every_events=fold_every_events)
    store.apply([LogRecord(0, 0, order("ada", "tea")), LogRecord(1, 0, order("bob", "ink"))])
    store.apply([LogRecord(0, 1, order("ada", "tea"))])

    store.close_log(1)

    assert (bought(store, "ada"), bought(store, "bob")) == (["tea", "tea"], [])
    assert store.histories_of([1, 2, 3]).customers.tolist() == [1]
    store.close()


def test_histories_by_number_look_at_their_own_rows_only(store):
    plan = store._db.execute(f"EXPLAIN QUERY PLAN {HISTORIES_OF}", ("[1]",)).fetchall()

    assert not any(detail.startswith("SCAN history") for *_, detail in plan)


def test_the_reader_sees_folded_and_fresh_lines_in_order_of_arrival(path):
    store = open_store(path, fold_every_events=3)
    store.apply(log_of(order("ada", "a", time_s=9), order("bob", "b"), order("ada", "c", time_s=5)))
    store.apply(log_of(order("ada", "d", time_s=7), start=3))

    contents = read_contents(path)

    assert contents.histories.times.tolist() == [9, 5, 7, 1000]
    assert contents.histories.starts.tolist() == [0, 3, 4]
    assert read_watermark(path).events == 4
    store.close()


def test_the_catalogue_names_products_before_and_after_they_are_bought(store):
    store.apply(log_of(order("ada", "tea", prices=(2.5,))))
    store.list_products([Product("", "tea", title="Green tea"), Product("", "pot", 9.0, "Teapot")], {"catalog/0": 2})

    named = {product.product_id: product.title for product in store.products()[1:]}

    assert named == {"tea": "Green tea", "pot": "Teapot"}
    assert [store.price_of(number) for number in (1, 2)] == [2.5, 9.0]
    assert store.catalogue_positions() == {"catalog/0": 2}


def test_a_newer_file_is_refused_with_both_versions_in_the_message(path):
    open_store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()

    with pytest.raises(NewerSchema, match=f"version is 99, this alsobought knows versions up to {len(MIGRATIONS)}"):
        Store(path)


def test_an_older_file_is_migrated_forward_and_keeps_its_rows(path):
    open_to_write(path).close()

    db = open_to_write(path, (*MIGRATIONS, "ALTER TABLE product ADD COLUMN colour TEXT"))

    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    assert db.execute("SELECT count(*) FROM meta").fetchone() == (1,)
    db.close()


def test_an_order_stored_by_the_first_version_is_still_told_from_a_repeat_of_it(path):
    folded, waiting = old_event_hashes([("", "o-1"), ("", "o-2")])
    columns = zip(
        fields(Orders), (1, 1, 7, 1, waiting, 1, 2.5), ("u4", "u4", "u4", "u2", "u8", "u4", "f4"), strict=True
    )
    orders = Orders(**{column.name: np.array([value], dtype) for column, value, dtype in columns})
    db = open_to_write(path, MIGRATIONS[:1])
    db.execute("INSERT INTO log VALUES (1, 'cluster', 'purchases', 'id-1', 0, 0, 2, 1)")
    db.execute("INSERT INTO product(id, brand, product_id) VALUES (1, '', 'tea')")
    db.execute("INSERT INTO customer VALUES ('ada', 1, 1)")
    db.execute("INSERT INTO meta VALUES ('last_customer', '1')")
    db.execute("INSERT INTO recent_event VALUES (1, ?)", (folded.to_bytes(8, "little"),))
    db.execute("INSERT INTO tail(orders) VALUES (?)", (pack(orders),))
    db.close()
    applied = []
    for first in (2, 5):  # before and after all is folded and opened again
        store = open_store(path)
        counts = store.apply(log_of(*[order(event_id=f"o-{number}") for number in (1, 2, first)], start=first))
        applied.append((counts.applied, counts.duplicate))
        store.close()

    assert applied == [(0, 3), (1, 2)]


def test_a_file_that_is_no_database_is_refused_with_the_remedy(path):
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreUnavailable, match="alsobought rebuild"):
        Store(path)
