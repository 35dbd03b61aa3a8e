"""The order lines that wait to be folded, in memory: what the file's `tail` rows hold, by customer.

Adding keeps the columns as they come. Who bought what, and for how much, is worked out when somebody asks, so a worker
that only catches up does not pay for it.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from model.store.codec import LINE_BYTES, Orders, last_prices

_MANY = 500  # orders of a batch, as only catching up has them
_NOTHING: tuple[int | None, bytes] = (None, b"")


class WriteBuffer:
    """Lines of orders in the order of arrival."""

    def __init__(self) -> None:
        self.events = 0
        self.logs: set[int] = set()
        self._batches: list[Orders] = []  # few: small ones are joined as they come
        self._not_found: list[Orders] = []  # of them, what is not in `_lines` yet
        self._unpriced: list[Orders] = []  # of them, what is not in `_paid` yet
        self._paid: dict[int, float] = {}
        self._lines: dict[int, tuple[int | None, bytes]] = {}  # customer -> log, packed lines

    def add(self, orders: Orders) -> None:
        """Append a batch."""
        self._not_found.append(orders)
        self._unpriced.append(orders)
        if len(orders.customers) < _MANY:
            self._take_prices()  # at once: nobody shall have to wait for thousands of these
        self._batches.append(orders)
        # as a binary counter carries: joining thousands at once held up answers for a tenth of a second
        while len(self._batches) > 1 and len(self._batches[-2].customers) < 2 * len(self._batches[-1].customers):
            self._batches[-2:] = [Orders.joined(self._batches[-2:])]
        self.logs.update(np.unique(orders.logs).tolist())
        self.events += len(orders.customers)

    @property
    def paid(self) -> Mapping[int, float]:
        """Product number -> the price said last."""
        self._take_prices()
        return self._paid

    def _take_prices(self) -> None:
        if self._unpriced:
            products = np.concatenate([orders.products for orders in self._unpriced])
            self._paid |= last_prices(products, np.concatenate([orders.prices for orders in self._unpriced]))
            self._unpriced.clear()

    def of_customer(self, customer: int) -> tuple[int | None, bytes]:
        """The customer's log and packed lines; None and empty when there are none."""
        for orders in self._not_found:
            for owner, log, lines in _by_customer(orders):
                self._lines[owner] = log, self._lines.get(owner, _NOTHING)[1] + lines
        self._not_found.clear()
        return self._lines.get(customer, _NOTHING)

    def rows(self) -> Iterator[tuple[int, int, bytes]]:
        """(customer, log, packed lines) in customer order, as the table is stored; at least one batch was added."""
        return _by_customer(Orders.joined(self._batches))

    def joined(self) -> Orders:
        """All that waits, in the order of arrival; at least one batch was added."""
        return Orders.joined(self._batches)


def _by_customer(orders: Orders) -> Iterator[tuple[int, int, bytes]]:
    """(customer, log, packed lines) in customer order; a customer's lines keep their order."""
    owners = np.repeat(orders.customers, orders.sizes)
    places = np.argsort(owners, kind="stable")
    owners, logs = owners[places], np.repeat(orders.logs, orders.sizes)[places]
    lines = orders.lines()[places].tobytes()
    firsts = np.flatnonzero(np.diff(owners, prepend=np.uint32(0)))  # nobody has number 0
    bounds = (np.append(firsts, len(owners)) * LINE_BYTES).tolist()
    about = zip(owners[firsts].tolist(), logs[firsts].tolist(), bounds[:-1], bounds[1:], strict=True)
    for customer, log, start, end in about:
        yield customer, log, lines[start:end]
