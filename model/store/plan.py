"""A batch of log records worked out before anything is written: what is new, repeated, replayed or forgotten.

In: the records, and what the store knows of logs, customers, products and recent events. Out: a `BatchPlan`, to be
written in one transaction and taken over into memory after it; a plan that is dropped has changed nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress, groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from model.catalogue.product_numbers import ProductNumbers
from model.purchases.changes import Forget, LogRecord, Purchase
from model.store.codec import Orders
from model.store.customer_numbers import Customer, CustomerNumbers
from model.store.dedupe_window import DedupeWindow, Pending, event_hashes


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
    nobody: list[tuple[int, int]] = field(default_factory=list)  # (partition, offset) of what forgot no customer
    products: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # (m,) product numbers
    times: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # (m,) seconds since 1970
    buyers: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))  # customer numbers, by order
    gone: Sequence[int] = ()  # customer numbers of the forgotten


@dataclass(frozen=True, slots=True)
class StoreView:
    """What the store knows when a batch comes in; it is only read."""

    logs: Mapping[int, Log]  # by partition
    customers: CustomerNumbers  # those in this batch at least
    last_customer: int
    products: ProductNumbers
    recent: DedupeWindow


class BatchPlan:
    """The batch worked out. Records of partitions that are not open are refused by KeyError."""

    def __init__(self, known: StoreView, records: Iterable[LogRecord]) -> None:
        self.nexts: dict[int, int] = {}  # partition -> next offset
        self.products: list[tuple[str, str]] = []  # new (brand, product id), numbered on
        self.gone: dict[int, str] = {}  # customer number -> profile, of the forgotten
        self.result = Applied()
        self._known = known
        self._fresh_products: dict[tuple[str, str], int] = {}  # the numbers of `products`
        self._fresh_customers: dict[tuple[str, int], int] = {}  # (profile, log) -> number, but for the forgotten
        self._forgotten: set[str] = set()
        self._events: dict[int, Pending] = {}  # by log
        self._given_away = 0  # customer numbers
        self._parts: list[Orders] = []
        waiting: list[tuple[int, Purchase]] = []
        for record in records:
            partition, offset, change = record.partition, record.offset, record.change
            log = known.logs[partition]
            if offset < self.nexts.get(partition, log.next):
                self.result.replayed += 1
                continue
            self.nexts[partition] = offset + 1
            if isinstance(change, Purchase):
                waiting.append((log.number, change))
            elif isinstance(change, Forget):
                self._take(waiting)
                if self._forget(change):
                    self.result.forgotten += 1
                else:
                    self.result.nobody.append((partition, offset))
                waiting = []
        self._take(waiting)
        self.orders = self._all_orders()
        self.paid: dict[int, float] = {}  # product number -> the price said last
        if self.orders is not None:
            self.paid = self.orders.prices_paid()
            self.result.products, self.result.times = self.orders.products, self.orders.line_times()
            self.result.buyers = self.orders.customers[self.orders.customers > 0]
        self.result.gone = tuple(self.gone)

    @property
    def last_customer(self) -> int:
        """The highest customer number that was ever given away."""
        return self._known.last_customer + self._given_away

    @property
    def new_customers(self) -> list[Customer]:
        """(profile, log, number) of new customers, but for those forgotten at once."""
        return [(profile, log, number) for (profile, log), number in self._fresh_customers.items()]

    def _take(self, read: list[tuple[int, Purchase]]) -> None:
        """Number the customers and products of these orders (log, purchase), repeats left out, column by column."""
        hashes = event_hashes((purchase.brand, purchase.event_id) for _, purchase in read)
        for log in {log for log, _ in read} - self._events.keys():
            self._events[log] = self._known.recent.pending(log)
        new = [self._events[log].admit(event) for (log, _), event in zip(read, hashes, strict=True)]
        orders = list(compress(read, new))
        self.result.applied += len(orders)
        self.result.duplicate += len(read) - len(orders)
        if not orders:
            return
        purchases = [purchase for _, purchase in orders]
        self._parts.append(
            Orders(
                customers=np.array(self._numbers_of_customers(orders), np.uint32),
                logs=np.array([log for log, _ in orders], np.uint32),
                times=np.array([purchase.time_s for purchase in purchases], np.uint32),
                sizes=np.array([len(purchase.products) for purchase in purchases], np.uint16),
                hashes=np.array(list(compress(hashes, new)), np.uint64),
                products=np.array(self._numbers_of_products(purchases), np.uint32),
                prices=np.array(list(chain.from_iterable([purchase.prices for purchase in purchases])), np.float32),
            )
        )

    def _numbers_of_customers(self, orders: Iterable[tuple[int, Purchase]]) -> list[int]:
        known = {log: self._known.customers.of_log(log) for log in self._events}
        return [
            (purchase.profile not in self._forgotten and known[log].get(purchase.profile))
            or self._new_customer(purchase.profile, log)
            for log, purchase in orders
        ]

    def _new_customer(self, profile: str, log: int) -> int:
        number = self._fresh_customers.get((profile, log))
        if number is None:
            self._given_away += 1
            number = self._fresh_customers[profile, log] = self.last_customer
        return number

    def _numbers_of_products(self, purchases: Iterable[Purchase]) -> list[int]:
        """The product numbers of all lines, new ones where a product has none yet."""
        numbers: list[int] = []
        for brand, orders in groupby(purchases, attrgetter("brand")):
            names = list(chain.from_iterable([purchase.products for purchase in orders]))
            known = map(self._known.products.in_brand(brand), names)
            numbers += [
                self._new_product((brand, name)) if number is None else number
                for name, number in zip(names, known, strict=True)
            ]
        return numbers

    def _new_product(self, product: tuple[str, str]) -> int:
        number = self._fresh_products.get(product)
        if number is None:
            number = self._fresh_products[product] = len(self._known.products) + len(self.products)
            self.products.append(product)
        return number

    def _forget(self, forget: Forget) -> bool:
        """Whether there was anybody to forget."""
        gone_before = len(self.gone)
        profiles = {forget.profile, forget.also} - {""}
        self._forgotten |= profiles
        for profile in profiles:
            self.gone |= dict.fromkeys(self._known.customers.everywhere(profile), profile)
        for customer in [customer for customer in self._fresh_customers if customer[0] in profiles]:
            self.gone[self._fresh_customers.pop(customer)] = customer[0]
        return len(self.gone) > gone_before

    def _all_orders(self) -> Orders | None:
        """The orders as columns, those of forgotten customers without their lines; None when there are none."""
        if not self._parts:
            return None
        orders = Orders.joined(self._parts)
        # the event ids stay: an order that was forgotten and is sent again is still a repeat
        return orders.without_lines_of(self.gone) if self.gone else orders
