"""Made-up purchases of any size: few products sell most (Zipf), customers keep to a corner of the catalogue.

The same arguments give the same purchases. `orders` are for the store, `records` are JSON events for a topic: about 350
bytes, 2 items on average.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np

from model.purchases.changes import LogRecord, Purchase

_SIZES, _SHARES = (1, 2, 3, 4, 5), (0.45, 0.25, 0.15, 0.10, 0.05)  # items of an order: 2.05 on average
_CUSTOMERS_ZIPF, _PRODUCTS_ZIPF = 0.5, 0.9
_CORNER = 100  # products; a customer chooses 85 of 100 items in one corner
_FAITHFUL = 0.85
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_STEP_S = 20


class Order(NamedTuple):
    """One order; products are numbers from 0."""

    customer: int
    time_s: int
    products: list[int]


@dataclass(frozen=True, slots=True)
class Shop:
    """`events` orders by `customers` of `products`."""

    events: int = 200_000
    customers: int = 50_000
    products: int = 20_000
    seed: int = 1

    def orders(self) -> Iterator[Order]:
        """All of them, oldest first."""
        random = np.random.default_rng(self.seed)
        buyers = _zipf(random, self.customers, _CUSTOMERS_ZIPF, self.events)
        sizes = random.choice(_SIZES, self.events, p=_SHARES)
        ends = np.cumsum(sizes)
        anything = _zipf(random, self.products, _PRODUCTS_ZIPF, int(ends[-1]))
        corners = max(self.products // _CORNER, 1)
        home = (np.repeat(buyers, sizes) * 7919 % corners) + corners * _zipf(
            random, min(_CORNER, self.products), _PRODUCTS_ZIPF, int(ends[-1])
        )
        bought = np.where(random.random(int(ends[-1])) < _FAITHFUL, home % self.products, anything).tolist()
        begin_s, start = int(_BEGIN.timestamp()), 0
        for at, (customer, end) in enumerate(zip(buyers.tolist(), ends.tolist(), strict=True)):
            yield Order(customer, begin_s + at * _STEP_S, list(dict.fromkeys(bought[start:end])))
            start = end

    def log(self, partition: int = 0) -> list[LogRecord]:
        """All orders as records of one partition, as the store takes them."""
        return [
            LogRecord(
                partition,
                at,
                Purchase(
                    _customer(order.customer),
                    "",
                    order.time_s,
                    tuple(map(_product, order.products)),
                    tuple(map(_price, order.products)),
                    _event(at),
                ),
            )
            for at, order in enumerate(self.orders())
        ]

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and JSON value of every order."""
        for at, order in enumerate(self.orders()):
            profile = _customer(order.customer)
            moment = datetime.fromtimestamp(order.time_s, UTC) + timedelta(milliseconds=at % 1000)
            items = [
                {"product_id": _product(product), "quantity": 1 + product % 3, "price": _price(product)}
                for product in order.products
            ]
            event = {
                "event_id": _event(at),
                "event_type": "purchase",
                "profile_id": profile,
                "occurred_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "order_id": f"order-{at:09}",
                "currency": "EUR",
                "channel": "web-shop",
                "items": items,
            }
            yield profile.encode(), msgspec.json.encode(event)


def _zipf(random: np.random.Generator, size: int, exponent: float, draws: int) -> np.ndarray:
    weights = np.arange(1, size + 1, dtype=float) ** -exponent
    return np.searchsorted(np.cumsum(weights / weights.sum()), random.random(draws)).clip(max=size - 1)


def _customer(number: int) -> str:
    return f"customer-{number:07}"


def _product(number: int) -> str:
    return f"product-{number:07}"


def _price(number: int) -> float:
    return 0.99 + number % 100


def _event(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}-{number:016x}"
