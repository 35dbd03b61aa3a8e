"""A made-up shop for the demo: a year of purchases by customers with interests, and a catalogue with titles.

In: sizes, a seed and the moment the year ends. Out: purchases and catalogue records as the topics take them. Promise:
the same arguments give the same purchases, in time order. Customers have one to three interests, best sellers sell most
(Zipf), tents sell in summer and candles in winter, and what is used up is bought again.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from types import MappingProxyType
from typing import Any, Final

from serving.demo.shop_products import GROUPS, PRODUCTS, Group, ShopProduct

_NAMES = (  # noqa: SIM905 - fifty names are easier to read without their quotation marks
    "ada ben cleo dora eli fay gus hana ivo june kai lena milo nora otis pia quinn rosa sam tara uma vera will "
    "xenia yann zoe anton bela carla dario emma felix greta hugo iris jonas karim lucia marta nils olga paul rita "
    "sofia tom ute viktor wanda"
).split()
_MIDDLE_OF_SEASON = {"spring": 100, "summer": 190, "winter": 350}  # day of the year
_HEIGHT_OF_SEASON = 1.9  # times the average
_ZIPF = 0.8
_SIZES, _SIZE_WEIGHTS = (1, 2, 3, 4, 5), (22, 30, 25, 15, 8)
_OTHER_INTEREST, _ANYTHING = 0.10, 0.03  # shares of lines that are not of the order's group
_AGAIN = 0.35  # share of lines that repeat something used up
_TRIES = 6
_DAY_S = 86_400


@dataclass(slots=True)
class _Customer:
    profile_id: str
    interests: tuple[Group, ...]
    owned: dict[str, None]  # a set that keeps its order


class Shop:
    """`customers`, `orders` and `days` say how much happens; `seed` what."""

    groups: Final[Mapping[str, Group]] = MappingProxyType(GROUPS)
    products: Final[Mapping[str, ShopProduct]] = MappingProxyType(PRODUCTS)

    def __init__(self, *, customers: int = 1_500, orders: int = 9_000, days: int = 365, seed: int = 1) -> None:
        self._customers = customers
        self.orders = orders
        self._days = days
        self._seed = seed

    def purchases(self, end: datetime, as_of: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Yield every order as a purchase, oldest first; the last one lies less than a second before `end`.

        What is in season is told by a year that ends at `as_of`, which is `end` unless it is given: with it the same
        seed makes the same orders on every day.
        """
        ahead = (as_of or end) - end
        random = Random(self._seed)  # noqa: S311 - a shop, not a secret
        customers = _customers(random, self._customers)
        weights = list(accumulate(random.lognormvariate(0, 0.8) for _ in customers))
        for number, age_s in enumerate(self._ages_s(random)):
            moment = end.astimezone(UTC) - timedelta(seconds=age_s)
            day = moment + ahead
            customer, group = _buyer(random, customers, weights, day)
            yield {
                "event_id": f"order-{number + 1:06}",
                "profile_id": customer.profile_id,
                "occurred_at": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "items": [_item(random, product_id) for product_id in _basket(random, customer, group, day)],
            }

    def catalog(self) -> list[dict[str, Any]]:
        """Every product as a record of the catalogue topic."""
        return [
            {"product_id": each.product_id, "title": each.title, "category": each.category, "price": each.price}
            for each in self.products.values()
        ]

    def goes_with(self, product_id: str) -> frozenset[str]:
        """Names of the groups a product belongs to; none for a product the shop does not sell."""
        return frozenset(group.name for group in self.groups.values() if product_id in group.products)

    def title(self, product_id: str) -> str:
        """A product's title, its id when the shop does not sell it."""
        product = self.products.get(product_id)
        return product.title if product else product_id

    def _ages_s(self, random: Random) -> list[float]:
        # The shop grows: three times as many orders a day at the end of the year as at its beginning.
        span = self._days * _DAY_S
        ages = [span * (1.5 - math.sqrt(0.25 + 2 * random.random())) for _ in range(self.orders)]
        ages.sort(reverse=True)
        newest = ages[-1] if ages else 0.0
        return [age - newest for age in ages]


def _customers(random: Random, count: int) -> list[_Customer]:
    groups = list(GROUPS.values())
    popularity = [1 / (rank + 6) for rank in range(len(groups))]
    customers = []
    for number in range(count):
        (wanted,) = random.choices((1, 2, 3), (35, 40, 25))
        interests = dict.fromkeys(group.name for group in random.choices(groups, popularity, k=wanted))
        profile_id = f"{random.choice(_NAMES)}-{number + 1:04}"
        customers.append(_Customer(profile_id, tuple(GROUPS[name] for name in interests), {}))
    return customers


def _buyer(
    random: Random, customers: list[_Customer], cum_weights: list[float], moment: datetime
) -> tuple[_Customer, Group]:
    """Somebody, and what for; an interest out of season is mostly put off, and somebody else comes."""
    for _ in range(_TRIES):
        (customer,) = random.choices(customers, cum_weights=cum_weights)
        group = random.choice(customer.interests)
        if random.random() < _season(group, moment) / _HEIGHT_OF_SEASON:
            break
    return customer, group


def _season(group: Group, moment: datetime) -> float:
    """How well a group sells, 0.1 .. 1.9, 1 for what sells all year."""
    middle = _MIDDLE_OF_SEASON.get(group.season)
    if middle is None:
        return 1.0
    day = moment.timetuple().tm_yday
    return 1 + (_HEIGHT_OF_SEASON - 1) * math.cos(2 * math.pi * (day - middle) / 365)


def _basket(random: Random, customer: _Customer, group: Group, moment: datetime) -> list[str]:
    (size,) = random.choices(_SIZES, _SIZE_WEIGHTS)
    basket: dict[str, None] = {}
    for _ in range(size):
        chance = random.random()
        if chance < _ANYTHING:
            group_of_line = _in_season(random, tuple(GROUPS.values()), moment)
        elif chance < _ANYTHING + _OTHER_INTEREST:
            group_of_line = random.choice(customer.interests)
        else:
            group_of_line = group
        basket[_choose(random, customer, group_of_line, basket)] = None
    customer.owned |= basket
    return list(basket)


def _in_season(random: Random, groups: tuple[Group, ...], moment: datetime) -> Group:
    return random.choices(groups, [_season(group, moment) for group in groups])[0]


def _choose(random: Random, customer: _Customer, group: Group, basket: Mapping[str, None]) -> str:
    """Something of the group that is not in the basket, and not owned unless it is used up; else something used up."""
    if random.random() < _AGAIN:
        again = [name for name in group.products if name in customer.owned and PRODUCTS[name].used_up]
        if again and (name := random.choice(again)) not in basket:
            return name
    for name in random.choices(group.products, _zipf(len(group.products)), k=_TRIES):
        if name not in basket and (PRODUCTS[name].used_up or name not in customer.owned):
            return name
    left = [name for name in group.products if name not in basket and PRODUCTS[name].used_up]
    return random.choice(left or group.products)


def _zipf(count: int) -> list[float]:
    return [1 / (rank + 1) ** _ZIPF for rank in range(count)]


def _item(random: Random, product_id: str) -> dict[str, Any]:
    product = PRODUCTS[product_id]
    quantity = random.choices((1, 2, 3), (70, 22, 8))[0] if product.used_up else 1
    return {"product_id": product_id, "quantity": quantity, "price": product.price}
