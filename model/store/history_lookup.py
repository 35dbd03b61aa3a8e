"""Customers' histories as answers read them: from memory where they are kept, else from the file and what waits.

In: names or numbers of customers. Out: their lines in the open logs, all that is committed and nothing else. The store
calls `drop` before a batch that names somebody is written, and `clear` when other logs are answered from.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from model.purchases.histories import Histories
from model.purchases.log_batch import LogBatch
from model.store import statements
from model.store.codec import LINE_BYTES, histories_of
from model.store.folding import Folding
from model.store.history_cache import NOBODY, HistoryCache, entry_of, histories_from
from model.store.plan import Log
from model.store.schema import consistent, explained


class HistoryLookup:
    """The reading side of the writer: it sees the writer's own connection, logs and waiting lines."""

    def __init__(
        self, *, path: Path, db: sqlite3.Connection, logs: Mapping[int, Log], folding: Folding, cache_bytes: int
    ) -> None:
        self._path = path
        self._db = db
        self._logs = logs  # by partition, those that are answered from
        self._folding = folding
        self._cache = HistoryCache(cache_bytes)

    def drop(self, batch: LogBatch) -> None:
        """What is kept of whoever these records name is void."""
        self._cache.drop(_named_in(batch))

    def clear(self) -> None:
        """All that is kept is void."""
        self._cache.clear()

    def of_profiles(self, profiles: Sequence[str]) -> Histories:
        """As `Store.histories`."""
        entries = self._cache.find(profiles)
        unread = [profile for profile, entry in zip(profiles, entries, strict=True) if entry is None]
        if not unread:
            return histories_from([entry for entry in entries if entry])
        with explained(self._path), consistent(self._path):
            read = self._read(unread)
            found = [entry or read[profile] for profile, entry in zip(profiles, entries, strict=True)]
            histories = histories_from(found)  # refuses what can not be
            self._cache.keep(read)
            return histories

    def _read(self, profiles: Iterable[str]) -> dict[str, bytes]:
        """The entry of each of these, in one statement."""
        read = dict.fromkeys(profiles, NOBODY)
        wanted = msgspec.json.encode(list(read)).decode()
        open_logs = self._open_logs()
        for profile, log, customer, lines in self._db.execute(statements.HISTORIES, (wanted,)):
            if log in open_logs:
                before = read[profile][LINE_BYTES:]  # the same name in another log
                read[profile] = entry_of(customer, before + (lines or b"") + self._folding.of_customer(customer)[1])
        return read

    def of_customers(self, customers: Sequence[int]) -> Histories:
        """As `Store.histories_of`."""
        wanted = msgspec.json.encode(list(customers)).decode()
        open_logs = self._open_logs()
        found: dict[int, bytes] = {}
        with explained(self._path), consistent(self._path):
            folded = {customer: row for customer, *row in self._db.execute(statements.HISTORIES_OF, (wanted,))}
            for customer in sorted(set(customers)):
                waiting_log, waiting = self._folding.of_customer(customer)
                log, lines = folded.get(customer, (waiting_log, b""))
                if log in open_logs:
                    found[customer] = lines + waiting
            return histories_of(list(found), list(found.values()))

    def _open_logs(self) -> set[int]:
        return {log.number for log in self._logs.values()}


def _named_in(batch: LogBatch) -> Iterator[str]:
    """The profiles that these records say something of."""
    yield from batch.purchases.profiles
    for forget in batch.forgets.values():
        yield forget.profile
        yield forget.also
