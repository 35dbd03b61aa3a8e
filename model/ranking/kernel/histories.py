"""From packed order lines to what each customer has bought, how much it weighs, and the query vector of it."""

import numpy as np

from model.ranking.kernel.compiled import F32, I32, I64, U32, compiled
from model.ranking.kernel.features import NOWHERE


@compiled
def weigh(
    starts: I64,
    products: U32,
    times: U32,
    row_of_product: I32,
    number_of_row: I32,
    powers: F32,
    seen: I32,
    out_starts: I64,
    out_rows: I64,
    out_weights: F32,
) -> int:
    """Each customer's rows once, ascending by product number, and what they weigh; returns how many in all.

    In: histories as in `Histories`; `row_of_product` by product number, -1 = none, and the reverse; `powers`, what each
    rank weighs, the last one for all that follow; `seen` int32 (rows of the model), all below 0, and left so.
    Out: int64 (n + 1,), int64 and float32 as long as there are lines.
    """
    used = 0
    for customer in range(len(starts) - 1):
        out_starts[customer] = used
        first, last = starts[customer], starts[customer + 1]
        if _is_sorted(times, first, last):
            end = _weigh_sorted(
                products[first:last], times[first:last], row_of_product, powers, seen, used, out_rows, out_weights
            )
        else:
            order = first + np.argsort(times[first:last], kind="mergesort")
            end = _weigh_sorted(
                products[order], times[order], row_of_product, powers, seen, used, out_rows, out_weights
            )
        for at in range(used, end):
            seen[out_rows[at]] = -1 - out_rows[at] % NOWHERE
        _sort_by_number(out_rows[used:end], out_weights[used:end], number_of_row)
        used = end
    out_starts[len(starts) - 1] = used
    return used


@compiled
def _is_sorted(times: U32, first: int, last: int) -> bool:
    for line in range(first + 1, last):
        if times[line] < times[line - 1]:
            return False
    return True


@compiled
def _weigh_sorted(
    products: U32,
    times: U32,
    row_of_product: I32,
    powers: F32,
    seen: I32,
    used: int,
    out_rows: I64,
    out_weights: F32,
) -> int:
    """From the latest line to the first: a product's latest order gives its rank, an order is what has one time."""
    rank = 0
    for line in range(len(products) - 1, -1, -1):
        if line < len(products) - 1 and times[line] != times[line + 1]:
            rank += 1
        number = products[line]
        row = row_of_product[number] if number < len(row_of_product) else -1
        if row >= 0 and seen[row] < 0:
            seen[row] = used
            out_rows[used] = row
            out_weights[used] = powers[min(rank, len(powers) - 1)]
            used += 1
    return used


_FEW = 48  # so many are sorted by insertion, which needs no memory


@compiled
def _sort_by_number(rows: I64, weights: F32, number_of_row: I32) -> None:
    if len(rows) > _FEW:
        order = np.argsort(number_of_row[rows])
        rows[:], weights[:] = rows[order], weights[order]
        return
    for i in range(1, len(rows)):
        row, weight = rows[i], weights[i]
        number, j = number_of_row[row], i - 1
        while j >= 0 and number_of_row[rows[j]] > number:
            rows[j + 1], weights[j + 1] = rows[j], weights[j]
            j -= 1
        rows[j + 1], weights[j + 1] = row, weight


@compiled
def query_vectors(vectors: F32, starts: I64, rows: I64, weights: F32, queries: F32) -> None:
    """The weighted mean of each history's IN `vectors` into `queries` float32 (n, dimension); zero for an empty one."""
    dimension = vectors.shape[1]
    for customer in range(len(starts) - 1):
        query = queries[customer]
        query[:] = 0
        total = np.float32(0)
        for at in range(starts[customer], starts[customer + 1]):
            total += weights[at]
        for at in range(starts[customer], starts[customer + 1]):
            share, vector = weights[at] / total, vectors[rows[at]]
            for i in range(dimension):
                query[i] += share * vector[i]


@compiled
def weightiest(weights: F32, most: int, chosen: I64) -> int:
    """The places of the `most` greatest weights into `chosen`, ascending, of equal ones the first; returns how many."""
    if len(weights) <= most:
        for i in range(len(weights)):
            chosen[i] = i
        return len(weights)
    heavy = np.sort(np.argsort(-weights, kind="mergesort")[:most])
    chosen[:most] = heavy
    return most
