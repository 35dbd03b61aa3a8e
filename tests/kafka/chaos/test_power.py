"""The imitated power cut leaves what SQLite itself allows: a sound file with the first so many transactions in it."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from model.store.schema import open_to_write
from tests.kafka.chaos.power import lose_power

ROWS = 400


@pytest.fixture(scope="module")
def crashed(tmp_path_factory) -> Path:
    """A folder with the files of a writer that died: half of its log was copied into the database, the rest was not."""
    folder = tmp_path_factory.mktemp("power")
    with (
        closing(open_to_write(folder / "live.db", [])) as writer,
        closing(sqlite3.connect(folder / "live.db", isolation_level=None)) as reader,
    ):
        writer.execute("CREATE TABLE line(number INTEGER PRIMARY KEY, text TEXT)")
        for number in range(ROWS):
            writer.execute("INSERT INTO line VALUES (?, ?)", (number, "x" * 500))
            if number == ROWS // 2:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM line").fetchone()  # a checkpoint can come no further than this
        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        for ending in ("", "-wal", "-shm"):
            shutil.copy(folder / f"live.db{ending}", folder / f"crashed.db{ending}")
    return folder


@pytest.mark.parametrize("seed", range(20))
def test_after_a_power_cut_the_file_is_sound_and_holds_all_that_was_synced(crashed, tmp_path, seed):
    for ending in ("", "-wal", "-shm"):
        shutil.copy(crashed / f"crashed.db{ending}", tmp_path / f"alsobought.db{ending}")

    lost = lose_power(tmp_path / "alsobought.db", random.Random(seed))
    with closing(sqlite3.connect(tmp_path / "alsobought.db")) as db:
        (sound,) = db.execute("PRAGMA integrity_check").fetchone()
        numbers = [number for (number,) in db.execute("SELECT number FROM line ORDER BY number")]

    assert sound == "ok"
    assert numbers == list(range(len(numbers)))
    assert ROWS // 2 < len(numbers) <= ROWS
    assert lost >= 0
