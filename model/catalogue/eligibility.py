"""Which products may be offered: not those that the catalogue has withdrawn, and of one brand where one is named.

It mirrors the products as arrays, since a micro-batch asks this of thousands of numbers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.catalogue.packed_products import PackedProducts

_TOGETHER = 4096  # products that are objects at the same time


class Eligibility:
    """Follows the products. `changed` must be called with what the catalogue changed; new ones it finds by itself."""

    def __init__(self, products: PackedProducts) -> None:
        self._products = products
        self._size = 0
        self._withdrawn = np.zeros(1024, bool)
        self._brand = np.zeros(1024, np.int32)  # by product number: the brand's place in `_brands`
        self._brands: dict[str, int] = {}

    def knows_brand(self, brand_id: str) -> bool:
        """Whether there is any product of this brand."""
        self.follow()
        return brand_id in self._brands

    def sellable(self, brand_id: str | None, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The mask of those that may be offered; `brand_id` None stands for every brand."""
        self.follow()
        fit = ~self._withdrawn[numbers]
        return fit if brand_id is None else fit & (self._brand[numbers] == self._brands.get(brand_id, -1))

    def changed(self, numbers: Sequence[int]) -> bool:
        """The catalogue has new words for these products: whether any that was withdrawn is back."""
        self.follow()
        before = self._withdrawn[numbers]
        self._withdrawn[numbers] = now = np.array([self._products[number].withdrawn for number in numbers], bool)
        return bool(np.any(before & ~now))

    def follow(self) -> None:
        """Take up the new products. Every question does, too; a million take a second."""
        size = len(self._products)
        if size == self._size:
            return
        if size > len(self._withdrawn):
            more = max(size, len(self._withdrawn) * 3 // 2) - len(self._withdrawn)
            self._withdrawn, self._brand = np.pad(self._withdrawn, (0, more)), np.pad(self._brand, (0, more))
        for start in range(self._size, size, _TOGETHER):
            for number, product in enumerate(self._products[start : min(start + _TOGETHER, size)], start):
                self._withdrawn[number] = product.withdrawn
                self._brand[number] = self._brands.setdefault(product.brand, len(self._brands)) if number else -1
        self._size = size
