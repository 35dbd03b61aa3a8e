"""EASE (Steck 2019, arXiv:1905.03375), and the table of product votes that is cut from it.

EASE is the closed-form linear model that predicts each product of a customer from the others. Great buyers weigh less
by product here, so that they do not decide alone. Time grows with the cube of the products and memory with the square:
beyond `most` the less bought ones neither give nor get votes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack  # type: ignore[import-untyped]  # scipy ships no types
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # scipy ships no types

from model.embeddings.vocabulary import Sets
from model.signals.product_votes import ProductVotes, VoteParameters, no_votes


def learn_votes(sets: Sets, items: int, parameters: VoteParameters) -> ProductVotes:
    """The table for a model of `items` rows from the rows that each customer bought."""
    buyers = np.bincount(sets.rows, minlength=items)
    chosen = np.sort(np.argsort(-buyers, kind="stable")[: parameters.most])
    width = min(parameters.width, len(chosen))
    table = no_votes(items, width, voters=len(chosen))
    if not width:
        return table
    votes = ease(sets, chosen, items, parameters.regularisation, parameters.power)
    best = np.argpartition(-votes, width - 1, axis=1)[:, :width]
    strength = np.maximum(np.take_along_axis(votes, best, axis=1), 0.0)
    table.place[chosen] = np.arange(1, len(chosen) + 1)
    table.rows[1:] = np.where(strength > 0, chosen[best], 0)
    table.weights[1:] = strength
    return table


def ease(
    sets: Sets, chosen: NDArray[np.int64], items: int, regularisation: float, power: float = 0.0
) -> NDArray[np.float32]:
    """float32 (n, n): EASE's whole matrix for the `chosen` rows, [i, j] = what i says for j, diagonal 0.

    A customer's purchases are weighed by products ** -power, scaled so that the mean square weight of a purchase is 1:
    a regularisation means about the same for every power.
    """
    bought = purchases_matrix(sets, chosen, items)
    sizes = np.diff(bought.indptr)
    weights = np.maximum(sizes, 1.0) ** -power
    weights /= np.sqrt((weights**2 @ sizes) / max(sizes.sum(), 1))
    bought.data *= np.repeat(weights, sizes).astype(np.float32)
    gram = np.asfortranarray((bought.T @ bought).toarray(), np.float32)
    gram[np.diag_indices_from(gram)] += np.float32(regularisation)
    inverse = _inverse(gram)
    votes: NDArray[np.float32] = inverse
    votes /= -np.diag(inverse).copy()
    votes[np.diag_indices_from(votes)] = 0.0
    return votes


def purchases_matrix(sets: Sets, chosen: NDArray[np.int64], items: int) -> csr_matrix:
    """float32 (n_customers, len(chosen)), sparse, 1 where bought."""
    column = np.full(items, -1, np.int64)
    column[chosen] = np.arange(len(chosen))
    owner = np.repeat(np.arange(len(sets.starts) - 1), sets.sizes())
    columns = column[sets.rows]
    kept = columns >= 0
    ones = np.ones(int(kept.sum()), np.float32)
    return csr_matrix((ones, (owner[kept], columns[kept])), shape=(len(sets.starts) - 1, len(chosen)))


def _inverse(symmetric: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of a positive definite matrix, which is overwritten: half the time of a general one."""
    factor, failed = lapack.spotrf(symmetric, lower=1, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ValueError("the matrix is not positive definite: give a greater regularisation")
    lower = np.tril(inverse, -1)
    whole: NDArray[np.float32] = np.ascontiguousarray(np.tril(inverse) + lower.T)
    return whole
