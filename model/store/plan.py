"""A batch of log records worked out before anything is written: what is new, repeated, replayed or forgotten.

In: the records, and what the store knows of logs, customers, products and recent events. Out: a `BatchPlan`, to be
written in one transaction and taken over into memory after it; a plan that is dropped has changed nothing.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import compress, groupby, repeat
from operator import lt

import numpy as np
from numpy.typing import NDArray

from model.catalogue.product_numbers import ProductNumbers
from model.purchases.changes import Forget
from model.purchases.log_batch import LogBatch, PurchaseColumns
from model.store.codec import Orders
from model.store.customer_numbers import Customer, CustomerNumbers
from model.store.dedupe_window import DedupeWindow, Pending, event_hashes, old_event_hashes


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

    def __init__(self, known: StoreView, batch: LogBatch) -> None:
        self.nexts: dict[int, int] = {}  # partition -> next offset
        self.products: list[tuple[str, str]] = []  # new (brand, product id), numbered on
        self.gone: dict[int, str] = {}  # customer number -> profile, of the forgotten
        self.result = Applied()
        self._known = known
        self._batch = batch
        self._fresh_products: dict[tuple[str, str], int] = {}  # the numbers of `products`
        self._fresh_customers: dict[tuple[str, int], int] = {}  # (profile, log) -> number, but for the forgotten
        self._forgets_at = list(batch.forgets)  # places, ascending
        self._forgotten: set[str] = set()
        self._events: dict[int, Pending] = {}  # by log
        self._given_away = 0  # customer numbers
        purchases = batch.purchases
        self._hashes = event_hashes(zip(purchases.brands, purchases.event_ids, strict=True), known.recent.key)
        self._left_out: list[int] = []  # rows of `purchases` that are not counted
        self._customers: list[int] = []  # the number of each row's customer
        self._logs: list[int] = []  # the log of each row
        for partition, places in batch.runs():
            self._read(partition, places)
        self.orders = self._all_orders()
        self.paid: dict[int, float] = {}  # number of a new product -> the price said last
        if self.orders is not None:
            self.paid = self.orders.prices_paid(since=len(known.products)) if self.products else {}
            self.result.products, self.result.times = self.orders.products, self.orders.line_times()
            self.result.buyers = self.orders.customers[self.orders.customers > 0]
        self.result.gone = tuple(self.gone)
        # (profile, log, number) of new customers, but for those forgotten at once
        self.new_customers: list[Customer] = [(*of_log, number) for of_log, number in self._fresh_customers.items()]

    @property
    def last_customer(self) -> int:
        """The highest customer number that was ever given away."""
        return self._known.last_customer + self._given_away

    def _read(self, partition: int, places: range) -> None:
        """Work out records of one partition that follow on each other."""
        log = self._known.logs[partition]
        offsets = self._batch.offsets[places.start : places.stop]
        first = self.nexts.get(partition, log.next)
        replayed: set[int] = set()
        if offsets[0] < first or not all(map(lt, offsets, offsets[1:])):
            for place, offset in zip(places, offsets, strict=True):
                if offset < first:
                    replayed.add(place)
                first = max(first, offset + 1)
        self.nexts[partition] = max(first, offsets[-1] + 1)
        self.result.replayed += len(replayed)
        start = places.start
        for place in self._forgets_at[
            bisect_left(self._forgets_at, start) : bisect_left(self._forgets_at, places.stop)
        ]:
            if place not in replayed:
                self._take(log.number, range(start, place), replayed)
                self._forget(self._batch.forgets[place], (partition, self._batch.offsets[place]))
                start = place
        self._take(log.number, range(start, places.stop), replayed)

    def _take(self, log: int, places: range, replayed: AbstractSet[int]) -> None:
        """Number the customers of the orders at these places of the log; repeats will be left out."""
        rows = self._batch.rows(places)
        count = rows.stop - rows.start
        if not count:
            return
        read = [place not in replayed for place in self._batch.places[rows]] if replayed else None
        new = self._admitted(log, rows, read)
        profiles = self._batch.purchases.profiles[rows]
        self._customers += self._numbers_of_customers(profiles, log, new)
        self._logs += repeat(log, count)
        applied = count if new is None else sum(new)
        self.result.applied += applied
        self.result.duplicate += (count if read is None else sum(read)) - applied
        if new is not None:
            self._left_out += [row for row, is_new in enumerate(new, rows.start) if not is_new]

    def _admitted(self, log: int, rows: slice, read: Sequence[bool] | None) -> list[bool] | None:
        """Which orders are new, of those that were `read`; None when all are."""
        if log not in self._events:
            self._events[log] = self._known.recent.pending(log)
        hashes, old = self._hashes[rows], None
        if self._known.recent.has_old(log):
            purchases = self._batch.purchases
            old = old_event_hashes(zip(purchases.brands[rows], purchases.event_ids[rows], strict=True))
        if read is None:
            return self._events[log].admit_all(hashes, old)
        asked = zip(read, hashes, old or repeat(0), strict=False)
        return [is_read and self._events[log].admit(event, before) for is_read, event, before in asked]

    def _numbers_of_customers(self, profiles: Sequence[str], log: int, new: Sequence[bool] | None) -> list[int]:
        """The number of each customer; 0 for one who is unknown and whose order is not new."""
        known = self._known.customers.of_log(log)
        numbers = list(map(known.get, profiles, repeat(0)))
        if self._forgotten:
            numbers = [0 if profile in self._forgotten else at for profile, at in zip(profiles, numbers, strict=True)]
        if 0 in numbers:
            for at, number in enumerate(numbers):
                if not number and (new is None or new[at]):
                    numbers[at] = self._new_customer(profiles[at], log)
        return numbers

    def _new_customer(self, profile: str, log: int) -> int:
        number = self._fresh_customers.get((profile, log))
        if number is None:
            self._given_away += 1
            number = self._fresh_customers[profile, log] = self.last_customer
        return number

    def _numbers_of_products(self, purchases: PurchaseColumns) -> list[int]:
        """The product numbers of all lines, new ones where a product has none yet."""
        numbers: list[int] = []
        start = row = 0
        for brand, orders in groupby(purchases.brands):
            until = row + sum(1 for _ in orders)
            names = purchases.products[start : start + sum(purchases.sizes[row:until])]
            found = list(map(self._known.products.in_brand(brand), names))
            numbers += [
                self._new_product((brand, name)) if number is None else number
                for name, number in zip(names, found, strict=True)
            ]
            start, row = start + len(names), until
        return numbers

    def _new_product(self, product: tuple[str, str]) -> int:
        number = self._fresh_products.get(product)
        if number is None:
            number = self._fresh_products[product] = len(self._known.products) + len(self.products)
            self.products.append(product)
        return number

    def _forget(self, forget: Forget, at: tuple[int, int]) -> None:
        """Forget all that was bought before; `at` is the record's (partition, offset)."""
        gone_before = len(self.gone)
        profiles = {forget.profile, forget.also} - {""}
        self._forgotten |= profiles
        for profile in profiles:
            self.gone |= dict.fromkeys(self._known.customers.everywhere(profile), profile)
        for customer in [customer for customer in self._fresh_customers if customer[0] in profiles]:
            self.gone[self._fresh_customers.pop(customer)] = customer[0]
        if len(self.gone) > gone_before:
            self.result.forgotten += 1
        else:
            self.result.nobody.append(at)

    def _all_orders(self) -> Orders | None:
        """The orders as columns, those of forgotten customers without their lines; None when there are none."""
        purchases, columns = self._batch.purchases, [self._customers, self._logs, self._hashes]
        if self._left_out:
            counted = [True] * len(purchases)
            for row in self._left_out:
                counted[row] = False
            purchases = purchases.kept(counted)
            columns = [list(compress(column, counted)) for column in columns]
        if not len(purchases):
            return None
        customers, logs, hashes = columns
        orders = Orders(
            customers=np.array(customers, np.uint32),
            logs=np.array(logs, np.uint32),
            times=np.array(purchases.times_s, np.uint32),
            sizes=np.array(purchases.sizes, np.uint16),
            hashes=np.array(hashes, np.uint64),
            products=np.array(self._numbers_of_products(purchases), np.uint32),
            prices=np.array(purchases.prices, np.float32),
        )
        # the event ids stay: an order that was forgotten and is sent again is still a repeat
        return orders.without_lines_of(self.gone) if self.gone else orders
