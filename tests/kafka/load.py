"""A shop that goes on selling in the background while a test kills and moves its service.

Seeded: the same shop buys the same things. Among the purchases are repeats of event ids, times out of order, customers
who want to be forgotten and, where asked for, records that cannot be read.
"""

import random
import threading
from collections.abc import Iterator
from typing import Self

from tests.kafka.brokers import Broker
from tests.kafka.records import Record, purchase, tombstone
from tests.kafka.shop_client import ShopClient

PRODUCTS = tuple(f"p-{number}" for number in range(20))
_REST_S = 0.02
_AT_ONCE = 40


def purchases(count: int, *, seed: int, customers: int = 60, poison: bool = False) -> Iterator[Record]:
    """`count` records of c-0 .. c-<customers - 1>."""
    chance = random.Random(seed)
    sent: list[Record] = []
    for number in range(count):
        customer, dice = f"c-{chance.randrange(customers)}", chance.random()
        if sent and dice < 0.1:  # the producer was not sure and sends the event once more
            yield chance.choice(sent[-50:])
        elif dice < 0.11:
            yield tombstone(customer)
        elif poison and dice < 0.13:
            yield Record(customer.encode(), b"{not json %d" % number)
        else:
            when = f"2026-{chance.randrange(1, 11):02}-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:00:00Z"
            chosen = chance.sample(PRODUCTS, chance.randrange(1, 4))
            sent.append(purchase(customer, *chosen, event_id=f"{seed}-{number}", occurred_at=when))
            yield sent[-1]


TEA_THINGS = ("tea", "teapot", "cup", "sugar", "honey")
CAMPING_THINGS = ("tent", "stove", "lamp", "mat", "rope")


def two_interests(customers: int) -> list[Record]:
    """Customers who buy either tea things or camping things, never both."""
    records = []
    for number in range(customers):
        things = (TEA_THINGS, CAMPING_THINGS)[number % 2]
        for order in range(3):
            chosen = [things[(number // 2 + order + step) % 5] for step in range(2)]
            records.append(purchase(f"learnt-{number}", *chosen, event_id=f"o-{number}-{order}"))
    return records


class Selling:
    """A context manager: purchases go to the topic from another thread until it ends, some 2,000 a second."""

    def __init__(self, broker: Broker, topic: str, *, seed: int = 1, poison: bool = False) -> None:
        self._broker, self._topic = broker, topic
        self._records = purchases(10**9, seed=seed, poison=poison)
        self._ended = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._sell, name="shop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        assert not self._failed, f"the shop could not sell: {self._failed[0]}"

    def _sell(self) -> None:
        try:
            with ShopClient(self._broker) as client:
                while not self._ended.wait(_REST_S):
                    client.send(self._topic, *(next(self._records) for _ in range(_AT_ONCE)))
        except Exception as problem:  # noqa: BLE001 - told to the test's own thread, whatever it is
            self._failed.append(problem)
