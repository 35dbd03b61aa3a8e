"""Plain purchases, a batch read at once into columns: the form that nearly every record has.

What is unusual in any way (an envelope, a phone number, a product twice, no time of its own, anything wrong) is left to
`consumers.decoding.purchases`, which also says what is wrong with it. What both read, they read alike.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Annotated, Literal

import msgspec

from consumers.decoding.event_times import EARLIEST_YEAR, start_of_year_s
from consumers.decoding.fields import MAX_ID_CHARACTERS, T
from model.purchases.log_batch import PurchaseColumns

MAX_ITEMS = 10_000
MAX_PRICE = 1e12  # what a float32 and a reader can still make sense of
_AT_ONCE = 128  # records: what is made of them still lies in the processor's cache when the next ones come
_NAN = float("nan")
_EARLIEST_S = start_of_year_s(EARLIEST_YEAR)

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]
_IdOrNone = Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARACTERS)]


class _Item(msgspec.Struct, gc=False):
    product_id: _Id
    quantity: Annotated[float, msgspec.Meta(gt=0)] = 1
    price: Annotated[float, msgspec.Meta(ge=0, le=MAX_PRICE)] | None = None


class _Plain(msgspec.Struct, gc=False):
    profile_id: _Id
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    items: Annotated[list[_Item], msgspec.Meta(min_length=1, max_length=MAX_ITEMS)]
    event_id: _IdOrNone = ""
    brand_id: _IdOrNone = ""
    event_type: Literal["purchase"] = "purchase"
    # what else may say that this is no purchase, or wraps one: for the careful reader
    type: None = None
    eventType: None = None  # noqa: N815 - the field's name on the wire
    event: None = None
    status: None = None


_PLAIN = msgspec.json.Decoder(_Plain)
_product_id = attrgetter("product_id")


def plain_purchases(
    values: Sequence[bytes], latest_s: float, earliest_s: float = _EARLIEST_S
) -> tuple[PurchaseColumns, list[int]]:
    """The purchases among these values that are plain, and the places of the other values, ascending.

    A purchase may lie between these moments, in seconds since 1970.
    """
    found, others = PurchaseColumns(), list[int]()
    for first in range(0, len(values), _AT_ONCE):
        some = values[first : first + _AT_ONCE]
        events, unread = _decoded(some)
        times_s = [event.occurred_at.timestamp() for event in events]
        flawed = [row for row, time_s in enumerate(times_s) if not earliest_s <= time_s <= latest_s]
        flawed += _with_a_product_twice(events)
        if not _is_printable(b"".join(some)):
            flawed += _unprintable(events)
        if flawed:
            places = _without(range(len(events) + len(unread)), unread)
            unread = sorted([*unread, *(places[row] for row in set(flawed))])
            events, times_s = _without(events, flawed), _without(times_s, flawed)
        others += [first + place for place in unread]
        _append(found, events, times_s)
    return found, others


def _append(found: PurchaseColumns, events: Sequence[_Plain], times_s: Iterable[float]) -> None:
    items = list(chain.from_iterable([event.items for event in events]))
    found.profiles += [event.profile_id for event in events]
    found.brands += [event.brand_id for event in events]
    found.times_s += map(int, times_s)
    found.event_ids += [event.event_id for event in events]
    found.sizes += [len(event.items) for event in events]
    found.products += [item.product_id for item in items]
    found.prices += [_NAN if item.price is None else item.price for item in items]


def _decoded(values: Sequence[bytes]) -> tuple[list[_Plain], list[int]]:
    """What has the plain form, and the places of what has not."""
    events: list[_Plain] = []
    others: list[int] = []
    reading = map(_PLAIN.decode, values)  # goes on behind a value that it could not read
    while True:
        try:
            events.extend(reading)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            others.append(len(events) + len(others))
        else:
            return events, others


def _with_a_product_twice(events: Sequence[_Plain]) -> list[int]:
    several = [(row, event.items) for row, event in enumerate(events) if len(event.items) > 1]
    return [row for row, items in several if len({item.product_id for item in items}) < len(items)]


def _is_printable(json: bytes) -> bool:
    """Whether every text in it surely is: ASCII, nothing escaped, and JSON takes no other control character."""
    return json.isascii() and b"\\" not in json and b"\x7f" not in json


def _unprintable(events: Sequence[_Plain]) -> list[int]:
    texts = [(event.profile_id, event.event_id, event.brand_id, *map(_product_id, event.items)) for event in events]
    return [row for row, text in enumerate(map("".join, texts)) if not text.isprintable()]


def _without(values: Sequence[T], places: Collection[int]) -> list[T]:
    """These values, but for those at the places."""
    out = frozenset(places)
    return [value for place, value in enumerate(values) if place not in out]
