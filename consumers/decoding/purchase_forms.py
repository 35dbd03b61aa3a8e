"""The forms in which a purchase comes on the wire, before anything in them is checked but its type.

A number where an id is text, and a text where a number belongs, are taken up here and read by `loose_values`.
"""

import msgspec

from consumers.decoding.loose_values import Id

NOTHING = msgspec.Raw(b"null")


class ItemForm(msgspec.Struct, gc=False):
    """One line of an order."""

    product_id: Id
    quantity: float | str = 1
    price: float | str | None = None


class Types(msgspec.Struct, gc=False):
    """What says that an event is something else, in an object that need not be a purchase."""

    event_type: object = None
    other_type: object = msgspec.field(default=None, name="type")
    camel_type: object = msgspec.field(default=None, name="eventType")
    event: object = None
    status: object = None


class EventForm(msgspec.Struct, gc=False):
    """A plain purchase, or an envelope with one in its `payload`."""

    event_id: Id | None = None
    profile_id: Id | None = None
    phone: str | None = None
    brand_id: Id | None = None
    occurred_at: str | int | float | None = None
    items: list[ItemForm] | None = None
    event_type: str | None = None
    payload: msgspec.Raw = NOTHING
    # what other systems call it; looked at only for words that take an order back
    other_type: object = msgspec.field(default=None, name="type")
    camel_type: object = msgspec.field(default=None, name="eventType")
    event: object = None
    status: object = None
    # a CloudEvent whose content-type does not say so
    specversion: object = None
    data: msgspec.Raw = NOTHING


class CloudEvent(msgspec.Struct, gc=False):
    """A CloudEvent in structured mode."""

    id: Id
    source: str
    data: msgspec.Raw
    type: str = ""
    time: str | None = None


EVENT = msgspec.json.Decoder(EventForm)
CLOUD_EVENT = msgspec.json.Decoder(CloudEvent)


_TYPES = msgspec.json.Decoder(Types)


def types_in(value: bytes) -> Types:
    """The types in a value that may be anything."""
    try:
        return _TYPES.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Types()


def is_given(raw: msgspec.Raw) -> bool:
    """Whether a field that is not decoded yet holds anything but null."""
    return bytes(raw) != b"null"
