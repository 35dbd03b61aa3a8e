"""The products in memory: dense numbers, what the catalogue says of each, and the price that was paid last.

The file has the same in its `product` table. Number 0 is a placeholder, so that numbers index lists and arrays.
"""

import math
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from model.purchases import Product


class ProductNumbers:
    """Every product that was ever bought or listed."""

    def __init__(self) -> None:
        self._products = [Product("", "")]
        self._paid = array("f", (math.nan,))  # by product number, NaN = nothing
        self._by_brand: dict[str, dict[str, int]] = {}  # brand -> product id -> number

    def __len__(self) -> int:
        """One more than the highest number."""
        return len(self._products)

    def __contains__(self, product: tuple[str, str]) -> bool:
        """Whether this (brand, product id) has a number."""
        return self.number_of(*product) is not None

    @property
    def by_number(self) -> Sequence[Product]:
        """A live view: it grows as products are first bought."""
        return self._products

    @property
    def brands(self) -> Collection[str]:
        """Every brand that has a product."""
        return self._by_brand.keys()

    def number_of(self, brand: str, product_id: str) -> int | None:
        """The product's number, None when it has none."""
        return self._by_brand.get(brand, {}).get(product_id)

    def in_brand(self, brand: str) -> Callable[[str], int | None]:
        """From a product id of this brand to its number, None where it has none yet; valid until the next `add`."""
        return self._by_brand.get(brand, {}).get

    def brands_of(self, product_id: str) -> list[str]:
        """The brands that have a product of this id."""
        return [brand for brand, numbers in self._by_brand.items() if product_id in numbers]

    def price_of(self, number: int) -> float | None:
        """The catalogue's price, else the one that was paid last, else None."""
        price, paid = self._products[number].price, self._paid[number]
        return price if price is not None or math.isnan(paid) else paid

    def add(self, product: Product, paid: float | None = None) -> int:
        """Give a new product the next number."""
        number = len(self._products)
        self._by_brand.setdefault(product.brand, {})[product.product_id] = number
        self._products.append(product)
        self._paid.append(math.nan if paid is None else paid)
        return number

    def add_all(self, products: Iterable[tuple[str, str]], paid: Mapping[int, float] = MappingProxyType({})) -> None:
        """Give each of these new (brand, product id) the next number, in their order; `paid` by number, where said."""
        for number, (brand, product_id) in enumerate(products, len(self)):
            self.add(Product(brand, product_id), paid.get(number))

    def list(self, product: Product) -> int:
        """Take over what the catalogue says of a product, known or not; returns its number."""
        number = self.number_of(product.brand, product.product_id)
        if number is None:
            return self.add(product)
        self._products[number] = product
        return number

    def changed(self, prices: Mapping[int, float]) -> dict[int, float]:
        """Of these prices, by product number, those that differ from what was last paid."""
        numbers = np.fromiter(prices.keys(), np.int64, len(prices))
        now = np.fromiter(prices.values(), np.float32, len(prices))
        differ = np.asarray(self._paid)[numbers] != now
        return dict(zip(numbers[differ].tolist(), now[differ].tolist(), strict=True))

    def pay(self, prices: Mapping[int, float]) -> None:
        """Remember the prices paid last, by product number."""
        for number, price in prices.items():
            self._paid[number] = price
