"""How long the loop's thread waits for the interpreter while another thread works with it.

In: nothing but when. Out: no value; what it changes holds for the whole process, for that time.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Python's own 5 ms are waited for after each call into SQLite, NumPy or FAISS that lets the other thread have it
_SWITCHED_AFTER_S = 0.0005
_USUALLY_AFTER_S = sys.getswitchinterval()  # not what holds when asked: two may ask at a time


@contextmanager
def given_back_soon() -> Iterator[None]:
    """Whoever else wants the interpreter gets it within half a millisecond, until the first who asked has done."""
    sys.setswitchinterval(_SWITCHED_AFTER_S)
    try:
        yield
    finally:
        sys.setswitchinterval(_USUALLY_AFTER_S)
