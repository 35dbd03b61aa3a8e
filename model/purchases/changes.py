"""What can happen to a customer's sequence, and the one place that says how it is counted.

Decoders make these values, the store applies them; nothing here knows about Kafka or JSON.
"""

import msgspec


class Purchase(msgspec.Struct, frozen=True, gc=False):
    """One order. Each product stands once: how often it was bought in one order does not count."""

    profile: str
    brand: str  # "" = none
    time_s: int  # seconds since 1970 UTC, 0 .. 2**32 - 1
    products: tuple[str, ...]  # product ids, distinct
    prices: tuple[float, ...]  # one for each product, NaN = not said
    event_id: str = ""  # "" = none: the order can not be told from a repeat of it


class Forget(msgspec.Struct, frozen=True, gc=False):
    """The customer wants to be forgotten: everything bought so far goes."""

    profile: str
    also: str = ""  # another profile that the same words may have meant, "" = none


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of the purchases topic. `change` is None for a record that moves the offset only (a dead letter)."""

    partition: int
    offset: int
    change: Purchase | Forget | None
