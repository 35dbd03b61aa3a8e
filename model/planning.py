"""A batch of log records worked out before anything is written: what is new, repeated, replayed or forgotten.

In: the records, and what the store knows of logs, customers, products and recent events. Out: a `Plan`, to be written
in one transaction and taken over into memory after it; a plan that is dropped has changed nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

import numpy as np
from numpy.typing import NDArray

from model.packing import Orders
from model.product_numbers import ProductNumbers
from model.purchases import Forget, LogRecord, Purchase
from model.recent_events import Pending, RecentEvents, event_hash


@dataclass(slots=True)
class Log:
    """One partition of the purchases topic as it is being read: its row's number and the next offset to apply."""

    number: int
    next: int


@dataclass(slots=True)
class Applied:
    """What a batch did: counts by outcome, and the order lines that are now counted."""

    applied: int = 0
    duplicate: int = 0
    replayed: int = 0
    forgotten: int = 0
    products: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # (m,) product numbers
    times: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # (m,) seconds since 1970
    buyers: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # customer numbers, by order
    gone: Sequence[int] = ()  # customer numbers of the forgotten


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows when a batch comes in; `customers` is the plan's own to change, the rest is only read."""

    logs: Mapping[int, Log]  # by partition
    customers: dict[tuple[str, int], int]  # (profile, log) -> customer number, of the profiles in this batch
    last_customer: int
    products: ProductNumbers
    recent: RecentEvents


Order = tuple[int, int, int, int, list[int], tuple[float, ...]]  # customer, log, time, event, products, prices


class Plan:
    """The batch worked out. Records of partitions that are not open are refused by KeyError."""

    def __init__(self, known: Known, records: Iterable[LogRecord]) -> None:
        self.nexts: dict[int, int] = {}  # partition -> next offset
        self.products: list[tuple[str, str]] = []  # new (brand, product id), numbered on
        self.gone: dict[int, str] = {}  # customer number -> profile, of the forgotten
        self.result = Applied()
        self._known = known
        self._fresh: dict[tuple[str, str], int] = {}  # the numbers of `products`
        self._events: dict[int, Pending] = {}  # by log
        self._new_customers: list[tuple[str, int]] = []  # (profile, log), numbered on
        self._orders: list[Order] = []
        for partition, offset, change in records:
            log = known.logs[partition]
            if offset < self.nexts.get(partition, log.next):
                self.result.replayed += 1
                continue
            self.nexts[partition] = offset + 1
            if isinstance(change, Purchase):
                self._order(log.number, change)
            elif isinstance(change, Forget):
                self._forget(change)
        self.orders = self._columns()
        if self.orders is not None:
            self.result.products, self.result.times = self.orders.products, self.orders.lines()[:, 1]
            self.result.buyers = self.orders.customers[self.orders.customers > 0]
        self.result.gone = tuple(self.gone)

    @property
    def last_customer(self) -> int:
        """The highest customer number that was ever given away."""
        return self._known.last_customer + len(self._new_customers)

    @property
    def new_customers(self) -> list[tuple[str, int, int]]:
        """(profile, log, number) of new customers, but for those forgotten at once."""
        numbered = enumerate(self._new_customers, self._known.last_customer + 1)
        return [(profile, log, number) for number, (profile, log) in numbered if number not in self.gone]

    def _order(self, log: int, purchase: Purchase) -> None:
        event = event_hash(purchase.brand, purchase.event_id)
        if event and not self._pending(log).admit(event):
            self.result.duplicate += 1
            return
        customer = self._known.customers.get((purchase.profile, log)) or self._new_customer(purchase.profile, log)
        products: list[int | None] = list(map(self._known.products.in_brand(purchase.brand), purchase.products))
        numbers = self._numbered(purchase, products)
        self._orders.append((customer, log, purchase.time_s, event, numbers, purchase.prices))
        self.result.applied += 1

    def _pending(self, log: int) -> Pending:
        pending = self._events.get(log)
        if pending is None:
            pending = self._events[log] = self._known.recent.pending(log)
        return pending

    def _new_customer(self, profile: str, log: int) -> int:
        self._new_customers.append((profile, log))
        number = self._known.customers[profile, log] = self.last_customer
        return number

    def _numbered(self, purchase: Purchase, numbers: list[int | None]) -> list[int]:
        """The numbers, with new ones for products that have none yet."""
        if None not in numbers:
            return cast("list[int]", numbers)
        return [
            self._new_product((purchase.brand, product_id)) if number is None else number
            for product_id, number in zip(purchase.products, numbers, strict=True)
        ]

    def _new_product(self, product: tuple[str, str]) -> int:
        number = self._fresh.get(product)
        if number is None:
            number = self._fresh[product] = len(self._known.products) + len(self.products)
            self.products.append(product)
        return number

    def _forget(self, forget: Forget) -> None:
        customers = self._known.customers
        for key in [key for key in customers if key[0] in (forget.profile, forget.also)]:
            self.gone[customers.pop(key)] = key[0]
        self.result.forgotten += 1

    def _columns(self) -> Orders | None:
        """The orders as columns, those of forgotten customers without their lines; None when there are none."""
        if not self._orders:
            return None
        if self.gone:
            # the event ids stay: an order that was forgotten and is sent again is still a repeat
            self._orders = [(0, o[1], 0, o[3], [], ()) if o[0] in self.gone else o for o in self._orders]
        customers, logs, times, events, products, prices = zip(*self._orders, strict=True)
        return Orders(
            np.array(customers, np.uint32),
            np.array(logs, np.uint32),
            np.array(times, np.uint32),
            np.array([len(lines) for lines in products], np.uint16),
            np.array(events, np.uint64),
            np.fromiter(chain.from_iterable(products), np.uint32),
            np.fromiter(chain.from_iterable(prices), np.float32),
        )
