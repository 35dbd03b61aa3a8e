"""What is worth saying of a file that was read without complaint: a customer who is too many, products nobody lists.

In: the scratch database with the file's orders. Out: sentences, empty where there is nothing to say.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

_LEAST_ORDERS = 10
_LEAST_CUSTOMERS = 3
_LEAST_SHARE = 0.05
_TIMES_THE_OTHERS = 10
_FEW_SHARED = 0.2

_BUSIEST = """SELECT customer, count(*) AS n, (SELECT count(*) FROM orders),
 (SELECT count(DISTINCT customer) FROM orders) FROM orders GROUP BY customer ORDER BY n DESC, customer LIMIT 1"""
_IDS = "SELECT DISTINCT hash(product), hash(ltrim(product, '0')) FROM {} WHERE {}"


@dataclass(frozen=True, slots=True)
class ProductIds:
    """The product ids of a file or topic, as hashes: 16 bytes a product."""

    exact: NDArray[np.uint64]
    without_zeros: NDArray[np.uint64]  # in front

    def share_of(self, ordered: "ProductIds", *, loosely: bool = False) -> int:
        """How many of those that were ordered are among these; `loosely`, when zeros in front do not count."""
        mine, theirs = (self.without_zeros, ordered.without_zeros) if loosely else (self.exact, ordered.exact)
        return len(np.intersect1d(mine, theirs))


def product_ids(connection: duckdb.DuckDBPyConnection, table: str, where: str = "true") -> ProductIds:
    """Those in the column `product` of a table."""
    exact, without_zeros = connection.execute(_IDS.format(table, where)).fetchnumpy().values()
    return ProductIds(np.asarray(exact, np.uint64), np.asarray(without_zeros, np.uint64))


def listed_ids(ids: list[str]) -> ProductIds:
    """Those of a list."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE listed AS SELECT unnest(?::VARCHAR[]) AS product", [ids])
        return product_ids(connection, "listed")


def hardly_shared(ordered: ProductIds, listed: ProductIds, where: str) -> str:
    """What to say when the catalogue (`where` it is) knows few of the products that were ordered."""
    total, shared = len(ordered.exact), listed.share_of(ordered)
    if not total or not len(listed.exact) or shared >= _FEW_SHARED * total:
        return ""
    loosely = listed.share_of(ordered, loosely=True)
    said = (
        f"only {shared:,} of the {total:,} products that were ordered are in {where}: the others have no title there, "
        "and what it says of its own products reaches nobody"
    )
    if loosely > max(shared, _FEW_SHARED * total):
        return (
            f"{said}. Without leading zeros {loosely:,} would be: one of the two has lost them, as a spreadsheet does"
        )
    return f"{said}. Do both name products by the same column?"


def one_customer_too_many(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """What to say when one customer has more orders than a customer can; empty where none has."""
    found = connection.execute(_BUSIEST).fetchone()
    if found is None:
        return []
    customer, most, orders, customers = found
    too_few = customers < _LEAST_CUSTOMERS or most < _LEAST_ORDERS
    others = (orders - most) / max(customers - 1, 1)
    if too_few or most < max(_LEAST_SHARE * orders, _TIMES_THE_OTHERS * others):
        return []
    share, name = f"{most:,} of {orders:,} orders ({most / orders:.0%})", repr(customer)
    said = f"customer {name} has {share}, the others {others:.1f} each: if this stands for guests, leave it out with "
    return [f"{said}--where '{column}!={customer}'"]
