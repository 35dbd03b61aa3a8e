"""What there is of each brand: customers, the loyal ones among them, orders and lines."""

import numpy as np

from model.catalogue.product import Product
from model.purchases.histories import Histories
from model.training.brand_counts import BrandCount, count_brands

PRODUCTS = [
    Product("", ""),
    Product("acme", "tea"),
    Product("acme", "cup"),
    Product("zeta", "tent"),
    Product("", "pen"),
]
TEA, CUP, TENT, PEN = range(1, 5)


def histories(*customers):
    """Each customer is a list of (product, time)."""
    lines = [line for customer in customers for line in customer]
    products, times = (np.array([line[i] for line in lines], np.uint32) for i in (0, 1))
    starts = np.cumsum([0, *map(len, customers)]).astype(np.int64)
    return Histories(np.arange(1, len(customers) + 1, dtype=np.uint32), starts, products, times)


def test_customers_orders_and_lines_are_counted_by_brand():
    bought = histories([(TEA, 1), (CUP, 1), (TEA, 2)], [(CUP, 1)], [(TENT, 5)])

    assert count_brands(bought, PRODUCTS) == {
        "acme": BrandCount(customers=2, loyal=2, orders=3, lines=4),
        "zeta": BrandCount(customers=1, loyal=1, orders=1, lines=1),
    }


def test_a_customer_who_buys_elsewhere_too_is_not_loyal():
    bought = histories([(TEA, 1), (TENT, 2)], [(TEA, 1), (PEN, 1)], [(TEA, 1)])

    assert count_brands(bought, PRODUCTS)["acme"] == BrandCount(customers=3, loyal=1, orders=3, lines=3)


def test_orders_of_two_brands_at_one_time_are_two():
    assert {name: count.orders for name, count in count_brands(histories([(TEA, 1), (TENT, 1)]), PRODUCTS).items()} == {
        "acme": 1,
        "zeta": 1,
    }


def test_nothing_bought_and_no_brand_give_no_count():
    assert count_brands(histories([]), PRODUCTS) == {}
    assert count_brands(histories([(PEN, 1)]), PRODUCTS) == {}
