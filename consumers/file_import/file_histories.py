"""Purchases out of a file as histories, numbered as a store would number them: for judging models without a service.

In: a file that `purchase_files` has read. Out: histories and the key of each product number. Promise: the same events
that an import would send, so a product bought twice in one order is one line.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from consumers.file_import.purchase_files import PurchaseFile
from model.catalogue.product import Product
from model.purchases.histories import Histories


@dataclass(frozen=True, slots=True)
class NumberedPurchases:
    """Histories, and what their numbers stand for."""

    histories: Histories
    keys: list[str]  # by product number, number 0 is a placeholder


def numbered(purchases: PurchaseFile) -> NumberedPurchases:
    """All events of a file, customers and products numbered in the order of their first purchase."""
    customers: dict[str, int] = {}
    products: dict[str, int] = {"": 0}
    owners: list[int] = []
    lines: list[int] = []
    times: list[int] = []
    for batch in purchases.batches():
        for event in batch:
            value: dict[str, Any] = msgspec.json.decode(event.value)
            customer = customers.setdefault(value["profile_id"], len(customers) + 1)
            brand = value.get("brand_id", "")
            for item in value["items"]:
                owners.append(customer)
                lines.append(products.setdefault(Product(brand, item["product_id"]).key, len(products)))
                times.append(event.time_ms // 1000)
    return NumberedPurchases(_histories(owners, lines, times, len(customers)), list(products))


def _histories(owners: list[int], lines: list[int], times: list[int], customers: int) -> Histories:
    owner = np.array(owners, np.int64)
    order = np.argsort(owner, kind="stable")
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bincount(owner, minlength=customers + 1)[1:])))
    return Histories(
        np.arange(1, customers + 1, dtype=np.uint32),
        starts,
        np.array(lines, np.uint32)[order],
        np.array(times, np.uint32)[order],
    )
