"""Lines that wait, and how they come into their customers' rows: divided by customer, then moved a part at a time.

In: each batch of orders, once its transaction is through. Out: nothing waits for ever, and no batch takes long, since a
fold moves a part of what waits with each batch that follows. Memory and file say the same at every moment.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import NamedTuple

from model.catalogue.product_numbers import ProductNumbers
from model.store import statements
from model.store.codec import Orders
from model.store.dedupe_window import DedupeWindow
from model.store.write_buffer import WriteBuffer

_PART_EVENTS = 1000  # of a fold that are moved at once: some 5 ms
# each row that a fold touches costs a page or two, so that many customers fold less often: the cost of an event is flat
_CUSTOMERS_PER_WAITING_EVENT = 10


class _Part(NamedTuple):
    """A part of an older tail that is being folded: a range of customers."""

    row: int  # of the file's `tail`
    last_customer: int
    lines: WriteBuffer


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

    def keep(self, orders: Orders) -> None:
        """Remember the lines of a batch that is in the file."""
        self.tail.add(orders)

    def go_on(self, records: int, last_customer: int) -> None:
        """A batch of so many records was written, `last_customer` is the highest number: fold what is due by now."""
        if self._leaving:
            self._move(1 + 2 * records // _PART_EVENTS)  # faster than the next tail grows
        elif self.tail.events >= max(self.every_events, last_customer // _CUSTOMERS_PER_WAITING_EVENT):
            self._divide()

    def finish(self) -> None:
        """Move all waiting lines into their customers' rows."""
        self._move(len(self._leaving))
        if self.tail.events:
            self._divide()
            self._move(len(self._leaving))

    def of_customer(self, customer: int) -> tuple[int | None, bytes]:
        """The log and the packed lines of a customer that are not folded yet; None when there are none."""
        place = bisect_left(self._leaving, customer, key=attrgetter("last_customer"))
        older = self._leaving[place].lines.of_customer(customer) if place < len(self._leaving) else (None, b"")
        newer = self.tail.of_customer(customer)
        return newer[0] or older[0], older[1] + newer[1]

    @property
    def parts_left(self) -> int:
        """Parts of the fold that goes on, which are not moved yet."""
        return len(self._leaving)

    def _divide(self) -> None:
        """Begin to fold."""
        paid = self._numbers.changed(self.tail.paid)
        parts = self.tail.parts(_PART_EVENTS, paid)
        with self._transaction() as db:
            rows = statements.divide_tail(db, parts, self._recent.packed(self.tail.logs))
        self._numbers.pay(paid)
        self.tail = WriteBuffer()
        for row, part in zip(rows, parts, strict=True):
            self._leaving.append(_Part(row, int(part.customers.max(initial=0)), WriteBuffer()))
            self._leaving[-1].lines.add(part)

    def _move(self, most: int) -> None:
        """Move the oldest parts into their customers' rows."""
        if not self._leaving:
            return
        with self._transaction() as db:
            for part in self._leaving[:most]:
                statements.fold(db, part.row, part.lines)
        del self._leaving[:most]
