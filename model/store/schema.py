"""The SQLite file: its tables, its version, how it is opened and what its errors mean.

A file carries its schema version in `user_version`. An older one is migrated forward in one transaction, a newer one is
refused. Every SQLite error leaves this package as `StoreUnavailable`, with what to do about it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('database_id', lower(hex(randomblob(16))));
    -- One row for each partition of each topic ever read. Offsets mean nothing outside their log, so a new cluster, a
    -- topic made anew or a log that was cut short gets a row of its own, and only `current` rows are answered from.
    CREATE TABLE log(
        id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, topic TEXT NOT NULL, topic_id TEXT NOT NULL,
        partition INTEGER NOT NULL, generation INTEGER NOT NULL, next INTEGER NOT NULL, current INTEGER NOT NULL,
        UNIQUE(cluster, topic, topic_id, partition, generation));
    CREATE TABLE customer(
        profile TEXT NOT NULL, log INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(profile, log)) WITHOUT ROWID;
    CREATE TABLE product(
        id INTEGER PRIMARY KEY, brand TEXT NOT NULL, product_id TEXT NOT NULL, paid REAL, price REAL, title TEXT,
        category TEXT, withdrawn INTEGER NOT NULL DEFAULT 0, UNIQUE(brand, product_id));
    -- Order lines: 8 bytes each, product number and time. Fresh ones wait in `tail`, a row for each batch, and are
    -- folded into one row for each customer from time to time.
    CREATE TABLE tail(id INTEGER PRIMARY KEY, orders BLOB NOT NULL);
    CREATE TABLE history(customer INTEGER PRIMARY KEY, log INTEGER NOT NULL, lines BLOB NOT NULL);
    CREATE TABLE recent_event(log INTEGER PRIMARY KEY, hashes BLOB NOT NULL);
    """,
    """
    -- From here on event ids are hashed by XXH3 and not by BLAKE2b. `old` says how many of a log's hashes, oldest
    -- first, or whether those of a tail, are of the kind before: a repeat of such an order is still looked for.
    ALTER TABLE recent_event ADD COLUMN old INTEGER NOT NULL DEFAULT 0;
    UPDATE recent_event SET old = length(hashes) / 8;
    ALTER TABLE tail ADD COLUMN old INTEGER NOT NULL DEFAULT 0;
    UPDATE tail SET old = 1;
    """,
)

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",  # a power cut may lose the last batches, and their offsets with them: Kafka has both
    "PRAGMA secure_delete=ON",  # else the names of the forgotten stay where a page was split; costs nothing measurable
    "PRAGMA cache_size=-65536",
)

_BUSY_TIMEOUT_S = 10

_DAMAGED = "the file is damaged: `alsobought rebuild` sets it aside and makes it anew from the topics"

_REMEDY = {
    sqlite3.SQLITE_FULL: "the disk is full: make room (or move data_dir to a larger disk) and start again",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only: give this user the right to write there",
    sqlite3.SQLITE_CANTOPEN: "the file can not be opened: check that the folder exists and belongs to this user",
    sqlite3.SQLITE_BUSY: "another program holds a lock on the file: end it and start again",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on the file: end it and start again",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    # our statements and values are right, so that what contradicts them is in the file
    sqlite3.SQLITE_ERROR: _DAMAGED,  # no such table or column
    sqlite3.SQLITE_CONSTRAINT: _DAMAGED,
    sqlite3.SQLITE_TOOBIG: _DAMAGED,
    sqlite3.SQLITE_MISMATCH: _DAMAGED,
    sqlite3.SQLITE_IOERR: "the disk reports an error: check that it is sound and not full, and start again",
}


class StoreUnavailable(Exception):
    """The SQLite file can not be used now. Nothing was half done: the batch was rolled back and will be read again."""


class NewerSchema(StoreUnavailable):
    """The file was written by a newer alsobought than this one."""


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    """The error in words: which file, what SQLite said, what to do."""
    if str(error).startswith("Could not decode"):  # Python's own word; it goes on to repeat the text, maybe a name
        return damaged(path, "it holds text that is no UTF-8")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code; the rest is detail
    remedy = _REMEDY.get(code, "see what SQLite says, mend it and start again")
    return StoreUnavailable(f"{path}: {error}; {remedy}")


def damaged(path: Path, what: str) -> StoreUnavailable:
    """The error for a file that SQLite reads but that contradicts itself."""
    return StoreUnavailable(f"{path}: {what}; {_DAMAGED}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `StoreUnavailable`."""
    try:
        yield
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    except UnicodeDecodeError as error:  # the name of something in the file, in SQLite's own complaint about it
        raise damaged(path, str(error)) from error


@contextmanager
def consistent(path: Path) -> Iterator[None]:
    """Turn what damaged rows make of reading them into `StoreUnavailable`: SQLite checks its pages, not their bytes."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, AssertionError) as error:
        raise damaged(path, f"it contradicts itself ({error})") from error


def open_to_write(path: Path, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """Open the file, made or migrated as needed.

    Raises `NewerSchema` when the file is newer than `migrations`, `StoreUnavailable` when it can not be used.
    """
    with explained(path):
        db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
        try:
            for pragma in _PRAGMAS:
                db.execute(pragma)
            _migrate(db, path, migrations)
        except BaseException:
            db.close()
            raise
        return db


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the file for a reader in another process; it sees whole transactions only.

    Raises `StoreUnavailable` when there is no such file yet.
    """
    with explained(path):
        if not path.exists():
            raise StoreUnavailable(f"{path}: there is no such file yet; a worker makes it when it first runs")
        db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
        try:
            db.execute("PRAGMA query_only=ON")
            _refuse_newer(db, path, len(MIGRATIONS))
        except BaseException:
            db.close()
            raise
        return db


@contextmanager
def busy_timeout_ms(db: sqlite3.Connection, timeout_ms: int | None) -> Iterator[None]:
    """Wait so long for others' locks meanwhile; None leaves it as it is."""
    if timeout_ms is None:
        yield
        return
    db.execute(f"PRAGMA busy_timeout={timeout_ms}")
    try:
        yield
    finally:
        db.execute(f"PRAGMA busy_timeout={1000 * _BUSY_TIMEOUT_S}")


def database_id(db: sqlite3.Connection) -> str:
    """The file's own identity: customer and product numbers mean nothing in any other file."""
    row = db.execute("SELECT value FROM meta WHERE name = 'database_id'").fetchone()
    return str(row[0])


def _refuse_newer(db: sqlite3.Connection, path: Path, known: int) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > known:
        raise NewerSchema(
            f"{path}: its schema version is {version}, this alsobought knows versions up to {known}; "
            f"run the newer alsobought again, or give another data_dir; if there never was a newer one, {_DAMAGED}"
        )
    return version


def _migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    version = _refuse_newer(db, path, len(migrations))
    for number, script in enumerate(migrations[version:], start=version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={number}; COMMIT;")
