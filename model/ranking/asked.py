"""What a micro-batch of customers asks a model, and what it is to be shown: plain arrays in, plain arrays out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.purchases.histories import Histories


@dataclass(frozen=True, kw_only=True)
class AskedBatch:
    """n customers. Rows are rows of the model; none is named twice in one sequence."""

    histories: Histories  # a basket counts as the latest order; customer numbers, 0 = nobody known
    k: Sequence[int]  # at most so many rows
    repeats: Sequence[bool]  # whether what the history holds may be shown
    excluded: Sequence[NDArray[np.integer]]  # not to be shown besides
    only: Sequence[NDArray[np.integer] | None]  # nothing else is to be shown; None = no such list
    allowed: Sequence[NDArray[np.bool_] | None] = ()  # by row, False = not to be shown; one may serve many customers
    addends: Sequence[NDArray[np.float32] | None] = ()  # by row, added to log-scores; one may serve many customers

    def __len__(self) -> int:
        """Customers."""
        return len(self.k)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What each shown score is the sum of, all in log-scores.

    Shown product i has entries starts[i]:starts[i + 1], one for each product of the customer's history.
    """

    starts: NDArray[np.int64]  # (n_shown + 1,)
    rows: NDArray[np.int32]  # (n_entries,) rows of the history
    purchases: NDArray[np.float32]  # (n_entries,) what each speaks for it: affinity, and its part of the votes
    popularity: NDArray[np.float32]  # (n_shown,)
    trend: NDArray[np.float32]  # (n_shown,)
    neighbours: NDArray[np.float32]  # (n_shown,)
    votes_base: NDArray[np.float32]  # (n_shown,) what a product has for which nobody votes
    addend: NDArray[np.float32]  # (n_shown,)

    def sums(self) -> NDArray[np.float64]:
        """float64 (n_shown,): the scores, but for rounding."""
        owner = np.repeat(np.arange(len(self.addend)), np.diff(self.starts))
        spoken = np.bincount(owner, self.purchases, minlength=len(self.addend)).astype(np.float64)
        return spoken + self.popularity + self.trend + self.neighbours + self.votes_base + self.addend


@dataclass(frozen=True)
class Recommended:
    """What each customer is to be shown, best first."""

    starts: NDArray[np.int64]  # (n + 1,) customer i is shown entries starts[i]:starts[i + 1]
    rows: NDArray[np.int32]  # (n_shown,)
    scores: NDArray[np.float32]  # (n_shown,) log-scores
    reasons: NDArray[np.int32]  # (n_shown, most) rows of the history that speak most for it, -1 = no more
    able: NDArray[np.bool_]  # (n,) whether the model knows any product of the history; who is not is shown nothing
    shares: Shares | None = None  # None: not asked for

    @cached_property
    def ends(self) -> list[int]:
        """`starts` as a list."""
        ends: list[int] = self.starts.tolist()
        return ends
