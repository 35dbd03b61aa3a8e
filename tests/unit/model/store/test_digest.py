"""The digest of a database: the same for the same sequences and catalogue, however they came to be there."""

import sqlite3
from contextlib import closing

import pytest

from model.catalogue.product import Product
from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.digest import check_soundness, read_state
from model.store.schema import StoreUnavailable
from model.store.writer import Store

TEA = Product("", "tea", 4.5, "Green tea")


def order(profile, *products, time_s=1000, brand="", event_id=""):
    return Purchase(profile, brand, time_s, products, (2.0,) * len(products), event_id)


ORDERS = {
    0: [order("ada", "tea", "cup"), order("bob", "ink", time_s=7), order("ada", "pot", brand="acme")],
    1: [order("eve", "cup"), order("eve", "tea", time_s=9)],
}


def state(path, *, orders=ORDERS, partitions=(0, 1), at_once=100, listed=(TEA,), fold_every=100, close=True):
    """The state of a file into which these orders were put in so many at once, partition by partition."""
    store = Store(path, fold_every_events=fold_every)
    for partition in partitions:
        store.open_log("cluster", "purchases", "id", partition)
        records = [LogRecord(partition, offset, change) for offset, change in enumerate(orders[partition])]
        for start in range(0, len(records), at_once):
            store.apply(records[start : start + at_once])
    store.list_products(listed, {})
    if close:
        store.close()
    found = read_state(path)
    store._db.close()
    return found


def test_a_state_is_counted(tmp_path):
    found = state(tmp_path / "a.db")

    assert (found.customers, found.lines, found.listed, found.offsets) == (3, 6, 1, {0: 3, 1: 2})
    assert len(found.digest) == 64


@pytest.mark.parametrize("how", [{"at_once": 1}, {"fold_every": 1}, {"partitions": (1, 0)}, {"close": False}], ids=str)
def test_the_same_orders_in_another_way_give_the_same_digest(tmp_path, how):
    assert state(tmp_path / "a.db", **how) == state(tmp_path / "b.db")


def test_a_repeated_and_a_forgotten_order_are_as_if_never_made(tmp_path):
    more = [*ORDERS[0], order("zoe", "rope"), order("zoe", "mat"), Forget("zoe"), None]

    assert state(tmp_path / "a.db", orders=ORDERS | {0: more}).digest == state(tmp_path / "b.db").digest


@pytest.mark.parametrize(
    "other",
    [
        {"orders": ORDERS | {1: ORDERS[1][::-1]}},
        {"orders": ORDERS | {1: [order("eve", "cup"), order("eve", "tea", time_s=10)]}},
        {"orders": ORDERS | {1: [order("eve", "cup"), order("eve", "tea", time_s=9, brand="acme")]}},
        {"orders": ORDERS | {1: [order("eva", "cup"), order("eva", "tea", time_s=9)]}},
        {"orders": ORDERS | {1: ORDERS[1][:1]}},
        {"orders": {0: ORDERS[1], 1: ORDERS[0]}},
        {"listed": [TEA._replace(price=4.6)]},
        {"listed": [TEA._replace(withdrawn=True)]},
        {"listed": [TEA, Product("acme", "tea", withdrawn=True)]},
    ],
    ids=["order", "time", "brand", "customer", "missing", "partition", "price", "withdrawn", "one more"],
)
def test_whatever_is_different_makes_another_digest(tmp_path, other):
    assert state(tmp_path / "a.db", **other).digest != state(tmp_path / "b.db").digest


def test_a_file_that_names_products_it_does_not_have_is_damaged(tmp_path):
    state(tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("UPDATE history SET lines = CAST(x'ffffff7f00000000' AS BLOB)")
        db.commit()

    with pytest.raises(StoreUnavailable, match="`alsobought rebuild`"):
        read_state(tmp_path / "a.db")


def test_a_page_that_makes_no_sense_is_found(tmp_path):
    path = tmp_path / "a.db"
    state(path)
    check_soundness(path)
    content = bytearray(path.read_bytes())
    page = 3 * int.from_bytes(content[16:18], "big")  # its size is in the file's header
    content[page + 8 : page + 200] = b"\x7f" * 192
    path.write_bytes(content)

    with pytest.raises(StoreUnavailable, match="`alsobought rebuild`"):
        check_soundness(path)
