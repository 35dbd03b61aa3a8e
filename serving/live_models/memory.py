"""Memory of a process that lives long: large arrays given back to the system, garbage collections made seldom.

In: nothing but when. Out: no value; what it changes holds for the whole process.
"""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

_OBJECTS_BEFORE_COLLECTING = 20_000  # Python's own 700 are there several times in every batch of records


def give_back_memory() -> None:
    """Have the C library return to the system what it keeps for later, where it can; after work with large arrays.

    glibc keeps what a thread freed for that thread.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class LettingGo:
    """Frees what is large in a thread of its own, which takes 10 ms, and gives its memory back in a turn of the loop.

    The C library locks the memory that the loop needs at its next step: whoever does that in another thread, and loses
    the processor meanwhile, holds the loop up for as long.
    """

    def __init__(self) -> None:
        self._freed: SimpleQueue[None] = SimpleQueue()

    def free(self, held: list[object]) -> None:
        """Empty this list, which alone holds what is to be freed."""
        threading.Thread(target=_free, args=(held, self._freed), name="let-go", daemon=True).start()

    def turn(self) -> None:
        """Give back the memory of what was freed since the last call; some 3 ms when that is a large model."""
        try:
            self._freed.get_nowait()
        except Empty:
            return
        give_back_memory()


def _free(held: list[object], freed: "SimpleQueue[None]") -> None:
    held.clear()
    freed.put(None)


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
