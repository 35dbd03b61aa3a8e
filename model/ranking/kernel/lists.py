"""The first stage of a large catalogue: the likely lists of `InvertedRows`, each read once for all who ask for it.

Rows stand there in half precision, [OUT vector, bias]; the bias is taken from what is kept fresh by row.
"""

import numpy as np

from model.ranking.kernel.compiled import F32, I32, I64, U16, U32, compiled
from model.ranking.kernel.inner_products import compare
from model.ranking.kernel.selection import select
from model.ranking.kernel.tables import Demand, Lent, Lists

_UP = np.float32(2.0**112)  # what the exponent of single precision is ahead of that of half precision


@compiled
def widen(halves: U16, begin: int, size: int, bits: U32) -> F32:
    """`size` numbers of half precision from `begin` on, in single precision in the memory of `bits`."""
    for i in range(size):
        half = np.uint32(halves[begin + i])
        bits[i] = ((half & np.uint32(0x8000)) << np.uint32(16)) | ((half & np.uint32(0x7FFF)) << np.uint32(13))
    numbers = bits.view(np.float32)
    for i in range(size):
        numbers[i] *= _UP
    return numbers[:size]


@compiled
def probe(first: int, middles: F32, probes: int, lent: Lent, probed: I32) -> None:
    """The `probes` most promising lists into `probed`, for the customers from `first` on.

    -1 behind them where there are fewer: a list that promises nothing, an empty one say, is never read.
    """
    kept = np.empty(probes, np.float32)
    for at in range(len(middles)):
        found = select(middles[at], probes, lent.passed, lent.places, kept, probed[first + at])
        probed[first + at, found:] = -1


@compiled
def by_list(probed: I32, starts: I64, customers: I32, offsets: I64, places: I64, sizes: I64, totals: I64) -> None:
    """Who asks for each list: list i is asked for by customers[starts[i]:starts[i + 1]], ascending.

    `places` are where its rows begin among what that customer is compared with, in the order of `customers`; `totals`
    how many rows each customer is compared with. `offsets` (lists + 1,) is lent.
    """
    starts[:] = 0
    for customer in range(len(probed)):
        for number in probed[customer]:
            if number >= 0:
                starts[number + 1] += 1
    for number in range(len(sizes)):
        starts[number + 1] += starts[number]
    offsets[:] = starts
    for customer in range(len(probed)):
        total = 0
        for number in probed[customer]:
            if number < 0:
                break
            customers[offsets[number]] = customer
            places[offsets[number]] = total
            offsets[number] += 1
            total += sizes[number]
        totals[customer] = total


@compiled
def read(
    queries: F32, lists: Lists, demand: Demand, starts: I64, customers: I32, places: I64, scores: F32, rows: I32
) -> None:
    """Compare every list with those who ask for it: scores float32 and rows int32, both (n, rows compared with).

    `queries` float32 (n, filled dimension): scale * query vector, 1, zeros.
    """
    longest = np.max(lists.sizes)
    width = lists.width
    bits = np.empty(longest * width, np.uint32)
    for number in range(len(lists.sizes)):
        size, begin = lists.sizes[number], lists.row_starts[number]
        if starts[number] == starts[number + 1] or size == 0:
            continue
        numbers = widen(lists.halves, lists.begins[number], size * width, bits)
        for i in range(size):
            numbers[i * width + lists.bias_at] = demand.bias[lists.rows[begin + i]]
        block = numbers.reshape(size, width)
        first, last = starts[number], starts[number + 1]
        if (last - first) % 2:
            last -= 1
            customer, place = customers[last], places[last]
            mine = scores[customer, place : place + size]
            compare(block, queries[customer], queries[customer], mine, mine)
        for at in range(first, last, 2):
            one, other = customers[at], customers[at + 1]
            compare(
                block, queries[one], queries[other],
                scores[one, places[at] : places[at] + size], scores[other, places[at + 1] : places[at + 1] + size],
            )  # fmt: skip
        for at in range(first, starts[number + 1]):
            rows[customers[at], places[at] : places[at] + size] = lists.rows[begin : begin + size]
