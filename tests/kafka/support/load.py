"""A shop that goes on selling in the background while a test kills and moves its service.

Seeded: the same shop buys the same things. Among the purchases are repeats of event ids, times out of order, customers
who want to be forgotten and, where asked for, records that cannot be read.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.kafka.brokers.broker import Broker
from tests.kafka.support.background import Background
from tests.kafka.support.records import Record, purchase, tombstone
from tests.kafka.support.shop_client import ShopClient

PRODUCTS_OF_A_TASTE = 20
_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who buys: so many customers at a time, each with one of `tastes`, of 20 products each.

    With `stay` others come after so many records: nobody lives to own everything, however long the shop sells.
    """

    customers: int = 60
    tastes: int = 1
    stay: int | None = None

    def somebody(self, chance: random.Random, number: int) -> str:
        """The customer of the record of this number."""
        who = chance.randrange(self.customers)
        return f"c-{who}" if self.stay is None else f"c-{number // self.stay}-{who}"

    def basket(self, chance: random.Random, customer: str) -> list[str]:
        """One to three products, all of the customer's taste."""
        taste = int(customer.rpartition("-")[2]) % self.tastes
        first = taste * PRODUCTS_OF_A_TASTE
        products = [f"p-{number}" for number in range(first, first + PRODUCTS_OF_A_TASTE)]
        return chance.sample(products, chance.randrange(1, 4))


SMALL = Crowd()


def purchases(count: int, *, seed: int, crowd: Crowd = SMALL, poison: bool = False) -> Iterator[Record]:
    """`count` records of the crowd's customers."""
    chance = random.Random(seed)
    sent: list[Record] = []
    for number in range(count):
        customer, dice = crowd.somebody(chance, number), chance.random()
        if sent and dice < 0.1:  # the producer was not sure and sends the event once more
            yield chance.choice(sent)
        elif dice < 0.11:
            yield tombstone(customer)
        elif poison and dice < 0.13:
            yield Record(customer.encode(), b"{not json %d" % number)
        else:
            when = f"2026-{chance.randrange(1, 11):02}-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:00:00Z"
            chosen = crowd.basket(chance, customer)
            sent = [*sent[-49:], purchase(customer, *chosen, event_id=f"{seed}-{number}", occurred_at=when)]
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


class Selling(Background):
    """A context manager: purchases go to the topic from another thread until it ends, `per_s` a second at most.

    It waits for the broker after every few of them; `sold` is how many are in the topic.
    """

    def __init__(
        self,
        broker: Broker,
        topic: str,
        *,
        seed: int = 1,
        crowd: Crowd = SMALL,
        poison: bool = False,
        per_s: int = 2000,
    ) -> None:
        super().__init__("the shop")
        self._broker, self._topic, self._per_s = broker, topic, per_s
        self._records = purchases(10**9, seed=seed, crowd=crowd, poison=poison)
        self._crowd, self._asked = crowd, random.Random(seed)
        self.sold = 0

    def somebody(self) -> str:
        """One of those who buy, or bought not long ago; for one other thread."""
        earlier = self._asked.randrange(self._crowd.stay or 1)
        return self._crowd.somebody(self._asked, max(self.sold - earlier, 0))

    def work(self) -> None:
        with ShopClient(self._broker) as client:
            while not self.ended.wait(_AT_ONCE / self._per_s):
                client.send(self._topic, *(next(self._records) for _ in range(_AT_ONCE)))
                self.sold += _AT_ONCE
