"""Numbers of half precision are widened to what they are."""

import numpy as np


def test_every_finite_number_of_half_precision_is_widened_exactly(compilation):
    from model.ranking.kernel.lists import widen  # noqa: PLC0415 - it brings numba, which must know the folder first

    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    halves = halves[np.isfinite(halves.view(np.float16))]
    halves.flags.writeable = False

    widened = widen(halves, 0, len(halves), np.empty(len(halves), np.uint32))
    np.testing.assert_array_equal(widened.view(np.uint32), halves.view(np.float16).astype(np.float32).view(np.uint32))


def test_a_part_is_widened_from_where_it_begins(compilation):
    from model.ranking.kernel.lists import widen  # noqa: PLC0415 - it brings numba, which must know the folder first

    halves = np.array([1, 2, 3, 4, 5], np.float16).view(np.uint16)
    halves.flags.writeable = False

    assert widen(halves, 1, 3, np.empty(5, np.uint32)).tolist() == [2, 3, 4]
