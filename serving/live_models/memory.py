"""Memory of a process that lives long: large arrays given back to the system, garbage collections made seldom.

In: nothing but when. Out: no value; what it changes holds for the whole process.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS_BEFORE_COLLECTING = 20_000  # Python's own 700 are there several times in every batch of records


def give_back_memory() -> None:
    """Have the C library return to the system what it keeps for later, where it can; after work with large arrays.

    glibc keeps what a thread freed for that thread.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for reference cycles seldom, and only among what is made from now on: records are objects, not cycles."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
