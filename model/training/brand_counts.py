"""How much there is to learn of each brand: its customers, its orders, and how many of them buy other brands as well.

In: everything in the store. Out: a count for each brand that has a name. Pure, one pass over the order lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.catalogue.product import Product
from model.purchases.histories import Histories, customer_of_line


@dataclass(frozen=True, slots=True)
class BrandCount:
    """One brand's part of the purchases."""

    customers: int  # who bought any of its products
    loyal: int  # of these, those who bought nothing else
    orders: int
    lines: int


def count_brands(histories: Histories, products: Sequence[Product]) -> dict[str, BrandCount]:
    """The count of each brand; products without a brand count as bought elsewhere. An order is of one brand."""
    names = sorted({product.brand for product in products} | {""})
    place = {name: i for i, name in enumerate(names)}
    brand_of = np.array([place[product.brand] for product in products], np.int64)
    brands, owner = brand_of[histories.products], customer_of_line(histories)
    pairs = np.unique(owner * len(names) + brands)
    buyers, bought = pairs // len(names), pairs % len(names)
    alone = np.bincount(buyers, minlength=len(histories.customers))[buyers] == 1
    columns = [
        np.bincount(found, minlength=len(names)).tolist()
        for found in (bought, bought[alone], brands[_begins(owner, histories.times, brands)], brands)
    ]
    counts = {name: BrandCount(*count) for name, *count in zip(names, *columns, strict=True)}
    return {name: count for name, count in counts.items() if name and count.lines}


def _begins(owner: NDArray[np.int64], times: NDArray[np.uint32], brands: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which lines are the first of an order."""
    begins = np.ones(len(owner), bool)
    begins[1:] = (owner[1:] != owner[:-1]) | (times[1:] != times[:-1]) | (brands[1:] != brands[:-1])
    return begins
