"""The order lines that wait to be folded, in memory: what the file's `tail` rows hold, by customer."""

from array import array
from collections.abc import Iterator

from model.packing import Orders


class Tail:
    """Lines of orders in the order of arrival."""

    def __init__(self) -> None:
        self.events = 0
        self.logs: set[int] = set()
        self.paid: dict[int, float] = {}  # product number -> the price paid last
        self._lines: dict[int, array[int]] = {}  # customer -> packed lines
        self._log_of: dict[int, int] = {}

    def add(self, orders: Orders) -> None:
        """Append a batch."""
        lines = array("I", orders.lines().tobytes())
        at = 0
        columns = (orders.customers.tolist(), orders.logs.tolist(), orders.sizes.tolist())
        for customer, log, size in zip(*columns, strict=True):
            self.logs.add(log)
            if size:
                waiting = self._lines.get(customer)
                if waiting is None:
                    waiting = self._lines[customer] = array("I")
                    self._log_of[customer] = log
                waiting.extend(lines[at : at + 2 * size])
                at += 2 * size
        self.paid.update(orders.prices_paid())
        self.events += len(orders.customers)

    def lines(self, customer: int) -> bytes:
        """The customer's packed lines, empty when there are none."""
        waiting = self._lines.get(customer)
        return b"" if waiting is None else waiting.tobytes()

    def rows(self) -> Iterator[tuple[int, int, bytes]]:
        """(customer, log, packed lines) in customer order, as the table is stored."""
        for customer in sorted(self._lines):
            yield customer, self._log_of[customer], self._lines[customer].tobytes()
