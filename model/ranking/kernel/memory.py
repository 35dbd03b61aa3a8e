"""Arrays as the compiled functions take them, and how much is worked out at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOGETHER = 1 << 20  # scores that are worked out at once: 4 MB, which the cache of a processor holds


def fixed(array: NDArray[Any], kind: Any) -> NDArray[Any]:
    """A view that is not written, one row after the other: what is compiled for one such array holds for all."""
    view = np.ascontiguousarray(array, kind).view()
    view.flags.writeable = False
    return view


def groups(customers: int, width: int) -> Iterator[slice]:
    """Customers whose scores, `width` each, are worked out at once."""
    together = max(8, _TOGETHER // max(width, 1))
    for start in range(0, customers, together):
        yield slice(start, min(start + together, customers))
