"""A full disk, a file that another program holds, a damaged file: said with the remedy, and nothing is lost."""

import contextlib
import resource
import sqlite3
from contextlib import closing

import psutil
import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import load, oracle
from tests.kafka.support.records import purchase
from tests.kafka.support.running_shop import running_shop
from tests.kafka.support.service import run_command

pytestmark = pytest.mark.needs_real_broker(one=True)

STATIC = {"group_instance_id": "one"}  # so that a restarted worker has its partitions back at once


@contextlib.contextmanager
def no_larger_file(service):
    """No file of the worker may grow beyond what the database's are now, which is what a full disk is to it."""
    size = max(file.stat().st_size for file in service.data_dir.glob("alsobought.db*"))
    psutil.Process(service.process.pid).rlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    yield


@contextlib.contextmanager
def held_by_another_program(service):
    with closing(sqlite3.connect(service.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        (no_larger_file, ("make room", "check that it is sound and not full")),
        (held_by_another_program, ("another program holds a lock on the file: end it and start again",)),
    ],
    ids=["full", "locked"],
)
def test_a_disk_that_takes_nothing_ends_the_worker_with_the_remedy_and_nothing_is_lost(
    broker, tmp_path, trouble, remedy
):
    with running_shop(broker, tmp_path, **STATIC) as shop:
        shop.ask_after(shop.buy(purchase("c-1", "tea"))[0], "c-1")
        with trouble(shop.service):
            shop.buy(*load.purchases(20_000 if trouble is no_larger_file else 20, seed=9))
            code = shop.service.wait_exit(60)
        said = shop.service.log_tail(5)
        shop.service.start()
        records = shop.client.read_all(shop.topics.purchases)
        stored = lambda: oracle.positions(shop.service.database) == oracle.ends(records)  # noqa: E731
        eventually(stored, "everything is stored in the end", 60)

        assert code == 1
        assert any(words in said for words in remedy), said
        assert "Traceback" not in said
        assert oracle.stored(shop.service.database) == oracle.expected(records)


def test_a_damaged_database_is_refused_and_comes_back_by_the_command_that_the_refusal_names(broker, tmp_path):
    with running_shop(broker, tmp_path, **STATIC) as shop:
        shop.ask_after(shop.buy(*load.purchases(300, seed=10), purchase("c-1", "tea"))[-1], "c-1")
        records = shop.client.read_all(shop.topics.purchases)
        eventually(lambda: oracle.positions(shop.service.database) == oracle.ends(records), "all are stored")
        shop.service.stop()
        content = shop.service.database.read_bytes()
        shop.service.database.write_bytes(content[: len(content) // 2])
        code, said = shop.service.start(wait=False).wait_exit(), shop.service.log_tail(3)
        rebuilt, told = run_command(shop.service, "rebuild")
        shop.service.start()
        kept = oracle.stored(shop.service.database)

    assert code == 1
    assert "`alsobought rebuild`" in said
    assert rebuilt == 0, told
    assert kept == oracle.expected(records)
