"""From a history to the query vector that the index is searched with."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Bought, Histories, distinct, of_customers, spread_over, starts_where

LEAST_WEIGHT = 0.05  # of an order long ago, against 1 for the latest
LEAST_SUM = 1e-6  # of the weights of a history: one without products has no shares


@dataclass(frozen=True, slots=True)
class WeightedHistory:
    """The vocabulary rows that each customer of a micro-batch has bought, and how much each weighs in the query."""

    starts: NDArray[np.int64]  # (n_customers + 1,) customer i owns entries starts[i]:starts[i + 1]
    rows: NDArray[np.int64]  # (n_pairs,)
    weights: NDArray[np.float32]  # (n_pairs,) max(recency ** rank, .05)

    def slices(self) -> list[slice]:
        """Where the entries of each customer are."""
        bounds = self.starts.tolist()
        return [slice(start, stop) for start, stop in pairwise(bounds)]

    def rows_of_each(self) -> list[NDArray[np.int64]]:
        """The rows of each customer."""
        return [self.rows[mine] for mine in self.slices()]

    def weightiest(self, mine: slice, most: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and weights of one customer's products, of a long history only the `most` weightiest.

        Of equal weights the first count; the order stays.
        """
        rows, weights = self.rows[mine], self.weights[mine]
        if len(rows) <= most:
            return rows, weights
        heavy = np.sort(np.argsort(-weights, kind="stable")[:most])
        return rows[heavy], weights[heavy]


def weighted_history(bought: Bought, row_of_product: NDArray[np.integer], recency: float) -> WeightedHistory:
    """The products with a row among those bought. `row_of_product`: -1 = none; it may end before the newest product."""
    numbers = bought.products.astype(np.int64)
    inside = numbers < len(row_of_product)
    rows = np.full(len(numbers), -1, np.int64)
    rows[inside] = row_of_product[numbers[inside]]
    known = rows >= 0
    weights = np.maximum(recency ** bought.ranks[known], LEAST_WEIGHT).astype(np.float32)
    return WeightedHistory(starts_where(bought.starts, known), rows[known], weights)


def shares_in_history(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (n,): the share that each product of one history has in it, given their weights."""
    return weights / max(float(weights.sum()), LEAST_SUM)


def rows_by_number(number_of_row: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64, by product number: its row, -1 = none. Number 0 stands for no product."""
    rows = np.full(int(number_of_row.max(initial=0)) + 1, -1, np.int64)
    rows[number_of_row] = np.arange(len(number_of_row))
    rows[0] = -1
    return rows


def query_vectors(vectors: NDArray[np.float32], history: WeightedHistory, scale: float) -> NDArray[np.float32]:
    """float32 (n_customers, dimension): scale times the weighted mean of each history's IN `vectors`, not normalised.

    Zero for an empty history, which then is ranked by popularity and trend alone.
    """
    queries = np.zeros((len(history.starts) - 1, vectors.shape[1]), np.float32)
    for i, mine in enumerate(history.slices()):  # ten times faster than one reduceat: a history fits the cache
        if mine.start < mine.stop:
            weights = history.weights[mine]
            np.dot(weights * (scale / weights.sum()), vectors.take(history.rows[mine], axis=0), out=queries[i])
    return queries


_CENTRE_CUSTOMERS = 20_000  # more would say the same and cost time


@dataclass(frozen=True, slots=True)
class Encoder:
    """How a model makes a query vector of a history."""

    vectors: NDArray[np.float32]  # IN (n_items, dimension)
    row_of_product: NDArray[np.integer]  # by product number, -1 = none; it may end before the newest product
    recency: float

    def queries(self, histories: Histories) -> NDArray[np.float32]:
        """float32 (n_customers, dimension), unscaled."""
        return self.vectors_of(self.history(distinct(histories)))

    def history(self, bought: Bought) -> WeightedHistory:
        """The products of the vocabulary among those bought, and how much each weighs."""
        return weighted_history(bought, self.row_of_product, self.recency)

    def vectors_of(self, history: WeightedHistory) -> NDArray[np.float32]:
        """float32 (n_customers, dimension), unscaled."""
        return query_vectors(self.vectors, history, 1.0)

    def centre(self, histories: Histories) -> NDArray[np.float32]:
        """float32 (dimension,): the mean query vector of 20,000 customers at most, spread evenly over all."""
        chosen = spread_over(len(histories.customers), _CENTRE_CUSTOMERS)
        mean: NDArray[np.float32] = self.queries(of_customers(histories, chosen)).mean(axis=0)
        return mean
