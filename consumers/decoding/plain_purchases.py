"""The plain purchase, read at once: the form that nearly every record has.

What is unusual in any way (an envelope, a phone number, a product twice, no time of its own, anything wrong) is left to
`consumers.decoding.purchases`, which also says what is wrong with it. What both read, they read alike.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from consumers.decoding.event_times import EARLIEST_YEAR, start_of_year_s
from consumers.decoding.fields import MAX_ID_CHARACTERS
from model.purchases.changes import Purchase

MAX_ITEMS = 10_000
MAX_PRICE = 1e12  # what a float32 and a reader can still make sense of
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


def plain_purchase(value: bytes, latest_s: float, earliest_s: float = _EARLIEST_S) -> Purchase | None:
    """The purchase, None for a record of another form; it may lie between these moments, in seconds since 1970."""
    try:
        event = _PLAIN.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    products = [item.product_id for item in event.items]
    seconds = event.occurred_at.timestamp()
    if (
        not earliest_s <= seconds <= latest_s
        or not "".join((event.profile_id, event.event_id, event.brand_id, *products)).isprintable()
        or len(set(products)) < len(products)
    ):
        return None
    prices = [_NAN if item.price is None else item.price for item in event.items]
    return Purchase(
        profile=event.profile_id,
        brand=event.brand_id,
        time_s=int(seconds),
        products=tuple(products),
        prices=tuple(prices),
        event_id=event.event_id,
    )
