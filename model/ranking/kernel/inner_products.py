"""Inner products of a few rows with two vectors at a time, for which everything is read once."""

import numpy as np

from model.ranking.kernel.compiled import F32, compiled


@compiled
def compare(block: F32, one: F32, other: F32, ones: F32, others: F32) -> None:
    """The inner product of each row of the block (n, d) with `one` and `other` (d,), into `ones` and `others` (n,)."""
    whole = len(block) - len(block) % 4
    for row in range(0, whole, 4):
        a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        e, f, g, h = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for i in range(len(one)):
            a += block[row, i] * one[i]
            b += block[row + 1, i] * one[i]
            c += block[row + 2, i] * one[i]
            d += block[row + 3, i] * one[i]
            e += block[row, i] * other[i]
            f += block[row + 1, i] * other[i]
            g += block[row + 2, i] * other[i]
            h += block[row + 3, i] * other[i]
        ones[row], ones[row + 1], ones[row + 2], ones[row + 3] = a, b, c, d
        others[row], others[row + 1], others[row + 2], others[row + 3] = e, f, g, h
    for row in range(whole, len(block)):
        a, e = np.float32(0), np.float32(0)
        for i in range(len(one)):
            a += block[row, i] * one[i]
            e += block[row, i] * other[i]
        ones[row], others[row] = a, e
