"""A locked file, a full disk, a folder that can not be written: said with the remedy, and nothing is half done."""

import os
import resource
import sqlite3
import subprocess
import sys

import pytest

from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.reader import read_contents, read_histories, read_watermark
from model.store.schema import StoreUnavailable, open_to_read
from model.store.writer import Store


def orders(count, *, start=0, products=20):
    names = tuple(f"product-{n}" for n in range(products))
    return [
        LogRecord(0, start + n, Purchase(f"customer-{start + n}", "", 1000, names, (1.0,) * products, f"o-{start + n}"))
        for n in range(count)
    ]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alsobought.db"


@pytest.fixture
def store(path):
    store = Store(path)
    store.open_log("cluster", "purchases", "id", 0)
    store.apply(orders(3))
    yield store
    store._db.close()


@pytest.fixture
def no_larger_file(path, store):
    """No file may grow beyond what it is now: what a full disk is to a program."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(file.stat().st_size for file in path.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def state(store):
    histories = store.histories([f"customer-{n}" for n in range(600)])
    return store.next_offset(0), len(histories.products), len(store.products())


def test_a_file_that_another_program_holds_is_said_with_the_remedy(store, path):
    store._db.execute("PRAGMA busy_timeout=20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="another program holds a lock on the file: end it"):
        store.apply(orders(5, start=3))
    other.close()

    assert state(store) == (3, 60, 21)


def test_what_failed_for_a_lock_is_stored_once_it_is_gone(store, path):
    store._db.execute("PRAGMA busy_timeout=20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        store.apply(orders(5, start=3))
    other.close()

    assert store.apply(orders(5, start=3)).applied == 5
    assert state(store) == (8, 160, 21)


def test_a_disk_that_takes_no_more_is_said_and_nothing_is_half_done(store, no_larger_file):
    with pytest.raises(StoreUnavailable, match=r"(the disk is full|check that it is sound and not full)"):
        store.apply(orders(600, start=3, products=40))

    assert state(store) == (3, 60, 21)


def go_on(store):
    for at in range(store.next_offset(0), 30):
        store.apply(orders(1, start=at))


@pytest.mark.parametrize("refused", ["INSERT ON history", "DELETE ON tail"])
def test_a_fold_that_fails_loses_nothing_and_goes_on_later(store, refused):
    store._folding.every_events = 1
    store._db.execute(f"CREATE TRIGGER no BEFORE {refused} BEGIN SELECT RAISE(ABORT, 'disk trouble'); END")

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="disk trouble"):
            go_on(store)
    stored = store.next_offset(0)
    failed = state(store)
    store._db.execute("DROP TRIGGER no")
    store.fold()

    assert stored < 30
    assert failed == state(store) == (stored, 20 * stored, 21)
    assert store._db.execute("SELECT count(*) FROM tail").fetchone() == (0,)


def test_closing_on_a_full_disk_leaves_the_tail_for_the_next_start(store, path, no_larger_file):
    for start in range(3, 200, 20):
        try:
            store.apply(orders(20, start=start))
        except StoreUnavailable:
            break
    stored = store.next_offset(0)

    store.close()

    assert read_watermark(path).events == stored
    assert len(read_contents(path).histories.products) == len(read_histories(path).products) == 20 * stored


@pytest.mark.skipif(os.geteuid() != 0 and sys.platform != "linux", reason="needs a second user or a read-only folder")
def test_a_folder_without_the_right_to_write_is_said_with_the_remedy(tmp_path):
    tmp_path.chmod(0o555)

    assert "check that the folder exists and belongs to this user" in said_to_nobody(tmp_path / "x.db")


@pytest.mark.skipif(os.geteuid() != 0 and sys.platform != "linux", reason="needs a second user or a read-only file")
def test_a_file_that_may_only_be_read_is_said_with_the_remedy(tmp_path):
    path = tmp_path / "alsobought.db"
    Store(path).close()
    path.chmod(0o444)
    tmp_path.chmod(0o777)

    assert "give this user the right to write there" in said_to_nobody(path)


def said_to_nobody(path):
    """What a user without any rights is told who begins to work with this file."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from model.store.schema import StoreUnavailable\n"
        "from model.store.writer import Store\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: Store(Path(sys.argv[1])).open_log('cluster', 'purchases', 'id', 0)\n"
        "except StoreUnavailable as error: print(error)\n"
    )
    for folder in list(path.parents)[1:4]:
        folder.chmod(folder.stat().st_mode | 0o111)
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False).stdout


def test_a_folder_that_does_not_exist_is_said_with_the_remedy(tmp_path):
    with pytest.raises(StoreUnavailable, match="check that the folder exists"):
        Store(tmp_path / "missing" / "alsobought.db")


def test_a_reader_is_told_when_there_is_no_file_yet(tmp_path):
    with pytest.raises(StoreUnavailable, match="there is no such file yet"):
        open_to_read(tmp_path / "alsobought.db")


def test_a_damaged_file_is_refused_with_the_remedy(store, path):
    store.close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\x55" * (len(content) - 100)
    path.write_bytes(content)

    with pytest.raises(StoreUnavailable, match="alsobought rebuild"):
        Store(path)


def test_a_reader_that_holds_the_write_ahead_log_delays_no_batch_that_forgets(store, path):
    reader = open_to_read(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM log").fetchone()

    store.apply([LogRecord(0, 3, Forget("customer-0"))])  # would wait 10 s for the reader
    held = path.with_name(path.name + "-wal").stat().st_size
    reader.close()
    store.apply([LogRecord(0, 4, None)])

    assert held > 0
    assert path.with_name(path.name + "-wal").stat().st_size == 0


def test_prices_are_read_before_and_after_the_fold(store, path):
    store.apply([LogRecord(0, 3, Purchase("ada", "", 1, ("product-0",), (7.0,), ""))])
    fresh = read_contents(path).products[1].price, store.price_of(1)
    store.fold()

    assert fresh == (7.0, 7.0)
    assert (read_contents(path).products[1].price, store.price_of(1)) == (7.0, 7.0)
