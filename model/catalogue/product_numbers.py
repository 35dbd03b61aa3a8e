"""The products in memory: dense numbers, what the catalogue says of each, and the price that was paid last.

The file has the same in its `product` table. Number 0 is a placeholder, so that numbers index lists and arrays.
"""

import math
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from model.catalogue.packed_products import PackedProducts
from model.catalogue.product import Product

_KEPT = 65_536  # names of a brand that were asked for lately


class ProductNumbers:
    """Every product that was ever bought or listed."""

    def __init__(self) -> None:
        self._products = PackedProducts()
        self._paid = array("f", [math.nan])  # by product number, NaN = not known
        self._by_brand: dict[str, _Names] = {}

    def __len__(self) -> int:
        """One more than the highest number."""
        return len(self._products)

    def __contains__(self, product: tuple[str, str]) -> bool:
        """Whether this (brand, product id) has a number."""
        return self.number_of(*product) is not None

    @property
    def by_number(self) -> PackedProducts:
        """A live view: it grows as products are first bought."""
        return self._products

    @property
    def brands(self) -> Collection[str]:
        """Every brand that has a product."""
        return self._by_brand.keys()

    def number_of(self, brand: str, product_id: str) -> int | None:
        """The product's number, None when it has none."""
        return self.in_brand(brand)(product_id)

    def in_brand(self, brand: str) -> Callable[[str], int | None]:
        """From a product id of this brand to its number, None where it has none yet; valid until the next `add`."""
        return self._by_brand[brand].__getitem__ if brand in self._by_brand else _no_number

    def brands_of(self, product_id: str) -> list[str]:
        """The brands that have a product of this id."""
        return [brand for brand in self._by_brand if (brand, product_id) in self]

    def price_of(self, number: int) -> float | None:
        """The catalogue's price, else the one that was paid last, else None."""
        price, paid = self._products[number].price, self._paid[number]
        return price if price is not None else None if math.isnan(paid) else paid

    def add(self, product: Product, paid: float | None = None) -> int:
        """Give a new product the next number."""
        names = self._by_brand.get(product.brand)
        if names is None:
            names = self._by_brand[product.brand] = _Names(self._products, product.brand)
        self._paid.append(math.nan if paid is None else paid)
        number = self._products.add(product)
        names.keep(product.product_id, number)  # what is bought first is bought again soon
        return number

    def add_all(self, products: Iterable[tuple[str, str]], paid: Mapping[int, float]) -> None:
        """Give each of these new (brand, product id) the next number, in their order; `paid` by number, where said."""
        for number, (brand, product_id) in enumerate(products, len(self)):
            self.add(Product(brand, product_id), paid.get(number))

    def list(self, product: Product) -> int:
        """Take over what the catalogue says of a product, known or not; returns its number."""
        number = self.number_of(product.brand, product.product_id)
        if number is None:
            return self.add(product)
        self._products.replace(number, product)
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


class _Names(dict[str, int]):
    """The numbers of a brand's products by their ids: kept are those asked for lately, the others are looked for."""

    def __init__(self, products: PackedProducts, brand: str) -> None:
        super().__init__()
        self._products = products
        self._brand = brand

    def __missing__(self, product_id: str) -> int | None:
        number = self._products.find(self._brand, product_id)
        if number is not None:
            self.keep(product_id, number)
        return number

    def keep(self, product_id: str, number: int) -> None:
        """Remember what was just asked for."""
        if len(self) >= _KEPT:
            self.clear()
        self[product_id] = number


def _no_number(_: str) -> None:
    """What a brand without products has for every id."""
