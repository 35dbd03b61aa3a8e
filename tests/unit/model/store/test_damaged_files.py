"""A database with wrong bytes in it, anywhere: it is used, or refused with `alsobought rebuild` as the remedy."""

import random
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from model.catalogue.product import Product
from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.digest import read_state
from model.store.reader import read_contents, read_histories
from model.store.schema import StoreUnavailable
from model.store.writer import Store

PROFILES = [f"customer-{number}" for number in range(100)]


def order(number):
    products = (f"p-{number % 37}", f"q-{number % 11}")
    return Purchase(PROFILES[number % 100], "", 1000 + number, products, (1.0, 2.0), f"o-{number}")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a file with folded and waiting orders and a catalogue."""
    path = tmp_path_factory.mktemp("sound") / "alsobought.db"
    store = Store(path, fold_every_events=300)
    store.open_log("cluster", "purchases", "id", 0)
    for start in range(0, 700, 50):
        store.apply([LogRecord(0, offset, order(offset)) for offset in range(start, start + 50)])
    store.list_products([Product("", f"p-{number}", 1.0, "A title", "kitchen") for number in range(20)], {"x": 1})
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._db.close()
    return path.read_bytes()


def damaged(content: bytes, seed: int) -> bytes:
    """Cut short, or with a few runs of random bytes in it."""
    chance = random.Random(seed)
    if seed % 4 == 0:
        return content[: chance.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(chance.choice([1, 3, 30])):
        at, length = chance.randrange(len(changed)), chance.choice([1, 4, 64])
        changed[at : at + length] = chance.randbytes(length)
    return bytes(changed[: len(content)])


def work(path):
    """What a worker does with its file from the start on."""
    store = Store(path)
    try:
        start = store.open_log("cluster", "purchases", "id", 0).next
        store.histories(PROFILES)
        store.apply([LogRecord(0, start + at, order(at)) for at in range(50)])
        store.apply([LogRecord(0, start + 50, Forget(PROFILES[3]))])
        store.fold()
    finally:
        store._db.close()


@pytest.mark.parametrize("use", [read_contents, read_histories, read_state, work], ids=lambda use: use.__name__)
def test_wrong_bytes_anywhere_are_lived_with_or_refused_and_nothing_else(tmp_path, sound, use):
    outcomes = Counter()
    for seed in range(150):
        path = tmp_path / f"{seed}.db"
        path.write_bytes(damaged(sound, seed))
        try:
            use(path)
            outcomes["used"] += 1
        except StoreUnavailable as refused:
            outcomes["with the remedy" if "`alsobought rebuild`" in str(refused) else str(refused)] += 1

    assert set(outcomes) <= {"used", "with the remedy"}
    assert min(outcomes.values()) > 20, "both come about"


@pytest.mark.parametrize("part", [100, 4095, 4096, 50_000, -4096])
def test_a_file_that_ends_early_is_refused_with_the_remedy(tmp_path, sound, part):
    path = tmp_path / "alsobought.db"
    path.write_bytes(sound[:part])

    with pytest.raises(StoreUnavailable, match="`alsobought rebuild`"):
        work(path)


def test_an_empty_file_is_begun_anew_as_the_topic_is_read_from_its_start(tmp_path):
    path = tmp_path / "alsobought.db"
    path.write_bytes(b"")
    work(path)

    assert read_state(path).offsets == {0: 51}


def test_a_schema_with_a_wrong_letter_is_refused_with_the_remedy(tmp_path, sound):
    path = tmp_path / "alsobought.db"
    path.write_bytes(sound.replace(b"customer INTEGER PRIMARY KEY", b"cuscomer INTEGER PRIMARY KEY"))

    with pytest.raises(StoreUnavailable, match=r"no such column: customer.*`alsobought rebuild`"):
        read_contents(path)


def test_a_customer_with_an_impossible_number_is_refused_with_the_remedy(tmp_path, sound):
    path = tmp_path / "alsobought.db"
    path.write_bytes(sound)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE customer SET id = -1 WHERE profile = ?", (PROFILES[5],))
        db.commit()

    with pytest.raises(StoreUnavailable, match="`alsobought rebuild`"):
        work(path)


def test_a_line_of_a_product_that_does_not_exist_is_refused_before_arrays_grow_to_it(tmp_path, sound):
    path = tmp_path / "alsobought.db"
    path.write_bytes(sound)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE history SET lines = CAST(x'ffffffff00000000' AS BLOB) WHERE customer = 1")
        db.commit()

    with pytest.raises(StoreUnavailable, match=r"product number 4294967295 of 48.*`alsobought rebuild`"):
        read_contents(path)
