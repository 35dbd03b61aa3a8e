"""How the functions of this room are compiled: once per machine, into the cache folder, without the interpreter's lock.

Only modules that `compilation` loads import this one: it brings numba.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
I32: TypeAlias = NDArray[np.int32]
I64: TypeAlias = NDArray[np.int64]
U16: TypeAlias = NDArray[np.uint16]
U32: TypeAlias = NDArray[np.uint32]

Function = TypeVar("Function", bound=Callable[..., Any])

# sums in any order, products and sums as one; no number here is NaN, and minus infinity means "not allowed"
_SUMS = frozenset({"reassoc", "contract", "arcp", "nsz", "nnan"})


def compiled(function: Function) -> Function:
    """The function as machine code, compiled when it is first called with these types, or read from the cache."""
    made = numba.njit(cache=True, nogil=True, fastmath=set(_SUMS), error_model="numpy")(function)
    return cast("Function", made)
