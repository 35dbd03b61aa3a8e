"""Lines that wait, and how they come into their customers' rows: divided by customer, then moved a part at a time.

In: each batch of orders, once its transaction is through. Out: nothing waits for ever, and no batch takes long, since a
step of dividing or a part to move goes with each batch that follows. Dividing is done in memory, beside the tail that
newer orders go to, and reaches the file in one transaction: memory and file say the same at every moment.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice, pairwise
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from model.catalogue.product_numbers import ProductNumbers
from model.store import statements
from model.store.codec import Orders
from model.store.dedupe_window import DedupeWindow
from model.store.write_buffer import WriteBuffer

_PART_EVENTS = 1000  # of a fold that are moved at once: some 5 ms
_DIVIDED_TOGETHER = 4  # parts: some 2 ms
_PRICES_TOGETHER = 8192  # some 1 ms
_STEP_RECORDS = 500  # that come in for each step of dividing, and one more: a fold ends before the next is due
# each row that a fold touches costs a page or two, so that many customers fold less often: the cost of an event is flat
_CUSTOMERS_PER_WAITING_EVENT = 10


class _Part(NamedTuple):
    """A part of an older tail that is being folded: a range of customers."""

    row: int  # of the file's `tail`
    last_customer: int
    lines: WriteBuffer


class _OlderTail(NamedTuple):
    """What waited when a fold began."""

    lines: WriteBuffer
    last_row: int  # of the file's `tail`
    windows: list[tuple[int, bytes, int]]  # the recent events, by log, see `DedupeWindow.packed`


class Folding:
    """The lines that are not in their customers' rows yet. `transaction` opens one on the file."""

    def __init__(
        self,
        *,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        numbers: ProductNumbers,
        recent: DedupeWindow,
        every_events: int,
    ) -> None:
        self.every_events = every_events
        self.tail = WriteBuffer()
        self._transaction = transaction
        self._numbers = numbers
        self._recent = recent
        self._leaving: list[_Part] = []  # customers ascending, each in one part
        self._dividing: _OlderTail | None = None  # until its parts stand in its place in the file
        self._steps: Iterator[None] = iter(())  # of dividing it, those that are left

    def keep(self, orders: Orders) -> None:
        """Remember the lines of a batch that is in the file."""
        self.tail.add(orders)

    def go_on(self, records: int, last_customer: int) -> None:
        """A batch of so many records was written, `last_customer` is the highest number: fold what is due by now."""
        if self._leaving:
            self._move(1 + 2 * records // _PART_EVENTS)  # faster than the next tail grows
        elif self._dividing is not None:
            self._divide(1 + records // _STEP_RECORDS)
        elif self.tail.events >= max(self.every_events, last_customer // _CUSTOMERS_PER_WAITING_EVENT):
            self._begin()

    def finish(self) -> None:
        """Move all waiting lines into their customers' rows."""
        while self._leaving or self._dividing or self.tail.events:
            if self._dividing is None and not self._leaving:
                self._begin()
            self._divide(None)
            self._move(len(self._leaving))

    def of_customer(self, customer: int) -> tuple[int | None, bytes]:
        """The log and the packed lines of a customer that are not folded yet; None when there are none."""
        place = bisect_left(self._leaving, customer, key=attrgetter("last_customer"))
        waiting = [self.tail]
        if self._dividing is not None:
            waiting.insert(0, self._dividing.lines)
        if place < len(self._leaving):
            waiting.insert(0, self._leaving[place].lines)
        found = [lines.of_customer(customer) for lines in waiting]
        return next((log for log, _ in reversed(found) if log), None), b"".join([lines for _, lines in found])

    def price_paid(self, number: int) -> float | None:
        """The price of this product that was said last among the lines not divided yet; None when none was."""
        older = None if self._dividing is None else self._dividing.lines.paid.get(number)
        return self.tail.paid.get(number, older)

    @property
    def parts_left(self) -> int:
        """Parts of the fold that goes on, which are not moved yet."""
        return len(self._leaving)

    def _begin(self) -> None:
        """Begin to fold: what comes from now on waits in a new tail."""
        with self._transaction() as db:
            last_row = statements.last_row_of_tail(db)
        self._dividing = _OlderTail(self.tail, last_row, self._recent.packed(self.tail.logs))
        self._steps = self._divided(self._dividing)
        self.tail = WriteBuffer()

    def _divide(self, most: int | None) -> None:
        """So many steps of dividing, None: all. What fails is begun again: until the last one nothing has changed."""
        if self._dividing is None:
            return
        try:
            for _ in islice(self._steps, most):
                pass
        except BaseException:
            self._steps = self._divided(self._dividing)
            raise

    def _divided(self, older: _OlderTail) -> Iterator[None]:
        """Each step takes a few milliseconds, however much waits; the last one is a transaction."""
        orders = older.lines.joined()
        customers = np.sort(orders.customers[orders.customers > 0])
        bounds = np.unique(customers[:: _DIVIDED_TOGETHER * _PART_EVENTS]).tolist()
        yield
        paid: dict[int, float] = {}
        prices = iter(older.lines.paid.items())
        while some := dict(islice(prices, _PRICES_TOGETHER)):
            paid |= self._numbers.changed(some)
            yield
        unsaid, parts = dict(paid), list[Orders]()
        leaving: list[WriteBuffer] = []
        for low, high in pairwise([*bounds, 2**32]):
            mine = orders.between(low, high)
            said = {number: unsaid.pop(number) for number in np.unique(mine.products).tolist() if number in unsaid}
            for part in mine.by_customer(_PART_EVENTS, said):
                parts.append(part)
                leaving.append(WriteBuffer())
                leaving[-1].add(part)
            yield
        with self._transaction() as db:
            rows = statements.divide_tail(db, older.last_row, parts, older.windows)
        self._numbers.pay(paid)
        self._leaving = [
            _Part(row, int(part.customers[-1]), lines) for row, part, lines in zip(rows, parts, leaving, strict=True)
        ]
        self._dividing = None

    def _move(self, most: int) -> None:
        """Move the oldest parts into their customers' rows."""
        if not self._leaving:
            return
        with self._transaction() as db:
            for part in self._leaving[:most]:
                statements.fold(db, part.row, part.lines)
        del self._leaving[:most]
