"""Votes of products for products: who bought this goes on to buy that, as a sparse table of the strongest votes.

The table is learnt by `ease`; reading and using it needs no SciPy. Products that are bought too seldom to vote share
one row without votes, so a large catalogue costs 4 bytes a product.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEAST_VOTE = 1e-3  # added to the votes for a product: keeps their logarithm finite


@dataclass(frozen=True, slots=True)
class VoteParameters:
    """How the table is learnt."""

    regularisation: float = 1000.0  # EASE's lambda; found by validation on shops of 4,000 to 12,000 products
    power: float = 0.25  # a customer weighs products ** -power: 0 is EASE as published, 0.5 the other extreme
    width: int = 100  # votes kept for each product
    most: int = 12_000  # products, the most bought ones


@dataclass(frozen=True, slots=True)
class ProductVotes:
    """Row i of the model votes for `rows[place[i], j]` with `weights[place[i], j]`; line 0 holds no votes."""

    place: NDArray[np.int32]  # (n_items,) lines of the table
    rows: NDArray[np.int32]  # (1 + n_voters, width) rows of the model; 0 where there are no more votes
    weights: NDArray[np.float32]  # (1 + n_voters, width), not negative; 0 where there are no more votes

    def of(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Whom these rows vote for and how strongly, both (len(rows), width)."""
        lines = self.place.take(rows)
        return self.rows.take(lines, axis=0), self.weights.take(lines, axis=0)

    def is_sound(self, items: int) -> bool:
        """Whether this can be the table of a model of so many rows."""
        return (
            self.place.shape == (items,)
            and self.rows.shape == self.weights.shape
            and len(self.rows) > 0
            and bool(((self.place >= 0) & (self.place < len(self.rows))).all())
            and bool(((self.rows >= 0) & (self.rows < items)).all())
            and bool((np.isfinite(self.weights) & (self.weights >= 0)).all())
            and not self.weights[0].any()
        )

    def extended(self, items: int) -> "ProductVotes":
        """The same table for a model that has got further rows behind these: the new ones have no votes yet."""
        place = np.zeros(items, np.int32)
        place[: len(self.place)] = self.place
        return ProductVotes(place, self.rows, self.weights)

    def write(self, path: Path) -> None:
        """Write one file that `read` takes."""
        np.savez(path, place=self.place, rows=self.rows, weights=self.weights)

    @classmethod
    def read(cls, path: Path) -> "ProductVotes":
        """Read what `write` wrote. Raises ValueError, KeyError or OSError when it is something else."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["place"], arrays["rows"], arrays["weights"])


def no_votes(items: int, width: int = 0, voters: int = 0) -> ProductVotes:
    """A table in which nobody votes, with room for the votes of `voters`."""
    shape = (1 + voters, width)
    return ProductVotes(np.zeros(items, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.float32))
