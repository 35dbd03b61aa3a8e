"""Sets of products as rows of a vocabulary."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Bought, starts_where


@dataclass(frozen=True, slots=True)
class Sets:
    """Vocabulary rows by customer; those who bought nothing of the vocabulary have an empty set."""

    starts: NDArray[np.int64]  # (n_customers + 1,)
    rows: NDArray[np.int64]  # (n_pairs,)

    def sizes(self) -> NDArray[np.int64]:
        """int64 (n_customers,)."""
        return np.diff(self.starts)

    def of(self, customer: int) -> NDArray[np.int64]:
        """The rows of the customer at this position. A view."""
        return self.rows[self.starts[customer] : self.starts[customer + 1]]


def in_vocabulary(bought: Bought, row_of_product: NDArray[np.int64]) -> Sets:
    """The sets as rows, products outside the vocabulary (row -1) left out."""
    rows = row_of_product[bought.products]
    known = rows >= 0
    return Sets(starts_where(bought.starts, known), rows[known])
