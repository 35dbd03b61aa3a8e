"""Ids that are JSON numbers and numbers that are JSON text, taken where nothing can be mistaken.

In: a value as it was decoded. Out: the one text of an id, so that a customer is the same one however a client writes
the number, or a number; `ValueError` says why not, in words that follow the field's name and never repeat the value.
"""

import math
import re

_EXACT = 2**53  # below this a float is the whole number that was written
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,400}\s*", re.ASCII)
_DIGITS = 256  # of an id

Id = str | int | float


def id_text(value: Id) -> str:
    """The id as text: 42 and 42.0 are "42"; a text stays as it is. Raises ValueError for what is no whole number."""
    if isinstance(value, str):
        return value
    if value < 0:
        raise ValueError("is a number below 0, which often stands for nobody: send it as text if it is an id")
    if isinstance(value, int):
        if value >= 10**_DIGITS:
            raise ValueError(f"is a number of more than {_DIGITS} digits")
        return str(value)
    if not value.is_integer() or value >= _EXACT:
        raise ValueError("is a number that is not whole, or too large to be exact: send the id as text")
    return str(int(value))


def number(value: float | str) -> float:
    """The number, also of a text that holds one as JSON writes it ("4.50"). Raises ValueError."""
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value):
        raise ValueError("is a text that is no number; a number has a decimal point, no comma and no currency sign")
    found = float(value)
    return found if math.isfinite(found) else math.copysign(math.inf, found)


def whole_number(value: float | str) -> int:
    """The whole number: 5, 5.0 and "5" are 5. Raises ValueError."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, int):
        return value
    raise ValueError("is no whole number")


def truth(value: bool | str) -> bool:
    """True or false, also as the text "true" or "false". Raises ValueError."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise ValueError("is neither true nor false")
