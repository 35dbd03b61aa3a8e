"""From the bytes of a purchases record to a `Purchase` or a `Forget`, or to `InvalidRecord` with the reason.

Taken: the plain purchase, the `event_type`/`payload` envelope with a phone number, CloudEvents structured and binary,
and a null value (forget the customer). An event of another type is `OtherEvent`: sound, and no purchase. Unknown fields
are ignored; everything known is checked, so nothing that is counted can surprise the model later. No message repeats
what stands in a record: that may be a phone number.
"""

import hmac
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from consumers.decoding.event_times import EARLIEST_YEAR, PlausibleTimes, start_of_year_s
from consumers.decoding.event_types import PurchaseTypes, is_taken_back, shown_type
from consumers.decoding.fields import MAX_ID_CHARACTERS, InvalidRecord, T, checked_id, parsed, text
from consumers.decoding.foreign_bytes import framing
from consumers.decoding.loose_values import Id, id_text, number
from consumers.decoding.plain_purchases import MAX_ITEMS, MAX_PRICE, plain_purchases
from consumers.decoding.purchase_forms import CLOUD_EVENT, EVENT, EventForm, ItemForm, Types, is_given, types_in
from model.purchases.changes import Forget, Purchase
from model.purchases.log_batch import PurchaseColumns

V = TypeVar("V")

MAX_EVENT_BYTES = 1_048_576


_PHONE = re.compile(r"(?:\+|00)?[0-9]{6,15}")
_PHONE_NOISE = re.compile(r"[\s()./-]")
_HEADERS_THAT_COUNT = frozenset({"content-type", "ce_id", "ce_type", "x-brand-id"})
_NONE_SAID = (None, None, None, None)


class OtherEvent(InvalidRecord):
    """An event that is no purchase, and nothing is wrong with it: `event_type` is its type as it may be shown."""

    def __init__(self, event_type: str, field: str, why: str) -> None:
        super().__init__("wrong_event_type", field, f"{field} {why}")
        self.event_type = event_type


@dataclass(frozen=True, slots=True)
class PurchaseDecoder:
    """Decodes purchases records.

    phone_hash_key: the secret that turns a phone number into a profile id; without it records with a phone are invalid.
    max_future_s: how far ahead of the clock a purchase may lie, in seconds.
    earliest_s: the earliest moment that a purchase may have, in seconds since 1970 UTC.
    types: which event types are purchases.
    """

    phone_hash_key: bytes | None = None
    max_future_s: int = 86_400
    earliest_s: int = start_of_year_s(EARLIEST_YEAR)
    types: PurchaseTypes = field(default_factory=PurchaseTypes)

    def decode_plain(self, values: Sequence[bytes], now_s: float) -> tuple[PurchaseColumns, list[int]]:
        """Of records with no `header_counts`: the plain purchases as columns, and the places of the others, ascending.

        What is read here is exactly what `decode` makes of it; the others are to be given to it.
        """
        return plain_purchases(values, now_s + self.max_future_s, self.earliest_s)

    def decode(
        self, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes], timestamp_s: float, now_s: float
    ) -> Purchase | Forget:
        """Read one record. `timestamp_s` is the record's own, used when the event does not say when it occurred.

        Raises `InvalidRecord`.
        """
        if value is None:
            return self._forget(key)
        if len(value) > MAX_EVENT_BYTES:
            raise InvalidRecord(
                "too_large", "value", f"the record has {len(value)} bytes, {MAX_EVENT_BYTES} are taken; split the order"
            )
        event = self._open(value, headers)
        if event.items is None and is_given(event.payload):
            self._refuse_other(event)
            event = _unwrapped(event)
        self._refuse_other(event)
        if event.brand_id is None and headers:
            event.brand_id = text(headers.get("x-brand-id"), "x-brand-id")
        profile, brand = self._profile(event), optional_id(event.brand_id, "brand_id")
        time_s = self._time(event.occurred_at, timestamp_s, now_s)
        products, prices = _lines(event.items)
        return Purchase(
            profile=profile,
            brand=brand,
            time_s=time_s,
            products=products,
            prices=prices,
            event_id=optional_id(event.event_id, "event_id"),
        )

    def _open(self, value: bytes, headers: Mapping[str, bytes]) -> EventForm:
        """Take an event out of its CloudEvents envelope, where it has one. Raises `OtherEvent` and `InvalidRecord`."""
        if headers.get("content-type", b"").lower().startswith(b"application/cloudevents"):
            return self._of_cloud_event(value)
        self._check_type(text(headers.get("ce_type"), "ce_type"), "ce_type")
        try:
            event = parsed(EVENT, value)
        except InvalidRecord:
            self._refuse_other(types_in(value))  # what is no purchase need not look like one
            raise
        if event.specversion is not None and event.items is None and is_given(event.data):
            return self._of_cloud_event(value)
        if "ce_id" in headers:
            source, name = text(headers.get("ce_source"), "ce_source") or "", text(headers["ce_id"], "ce_id") or ""
            _complete(event, source, name, text(headers.get("ce_time"), "ce_time"))
        return event

    def _of_cloud_event(self, value: bytes) -> EventForm:
        cloud = parsed(CLOUD_EVENT, value)
        self._check_type(cloud.type, "type")
        event = parsed(EVENT, cloud.data, "data")
        _complete(event, cloud.source, taken(id_text, cloud.id, "id"), cloud.time)
        return event

    def _check_type(self, event_type: str | None, name: str) -> None:
        if event_type and not self.types.takes(event_type):
            raise OtherEvent(
                shown_type(event_type), name, "is not among the types that the setting purchase_types takes"
            )

    def _refuse_other(self, event: EventForm | Types) -> None:
        self._check_type(event.event_type if isinstance(event.event_type, str) else None, "event_type")
        also = event.other_type, event.camel_type, event.event, event.status
        if also == _NONE_SAID:
            return
        for name, said in zip(("type", "eventType", "event", "status"), also, strict=True):
            if is_taken_back(said):
                raise OtherEvent(shown_type(str(said)), name, "says that the order was taken back or failed")

    def profile_of_phone(self, phone: str, field: str = "phone") -> str:
        """The profile id of a phone number: HMAC-SHA256, 32 hexadecimal digits. Raises `InvalidRecord`."""
        if self.phone_hash_key is None:
            raise InvalidRecord(
                "no_phone_hash_key",
                field,
                f"{field} is given, but the setting phone_hash_key is not: set it, then replay",
            )
        number = _PHONE_NOISE.sub("", phone)
        if not _PHONE.fullmatch(number):
            raise InvalidRecord("out_of_range", field, f"{field} is no phone number (6 to 15 digits, '+' before them)")
        digits = number.lstrip("+").removeprefix("00")
        return "phone-" + hmac.digest(self.phone_hash_key, digits.encode(), "sha256").hex()[:32]

    def _forget(self, key: bytes | None) -> Forget:
        """A key that reads like a phone number may be one, or a profile id that looks so: both are forgotten."""
        if key is None:
            raise InvalidRecord(
                "missing_field", "key", "a null value forgets the customer named by the key; key is missing"
            )
        if key[:1] == b"\0":
            why = framing(key) or "it begins with a byte 0, as a number in binary does"
            raise InvalidRecord("wrong_type", "key", f"key is no text: {why}; send the null value under the plain id")
        profile = checked_id(text(key, "key"), "key")
        if self.phone_hash_key is not None and _PHONE.fullmatch(_PHONE_NOISE.sub("", profile)):
            return Forget(profile, self.profile_of_phone(profile, "key"))
        return Forget(profile)

    def _profile(self, event: EventForm) -> str:
        if event.profile_id is not None:
            return checked_id(taken(id_text, event.profile_id, "profile_id"), "profile_id")
        if event.phone is not None:
            return self.profile_of_phone(event.phone)
        raise InvalidRecord("missing_field", "profile_id", "profile_id is missing")

    def _time(self, occurred_at: str | float | None, timestamp_s: float, now_s: float) -> int:
        plausible = PlausibleTimes(self.earliest_s, now_s + self.max_future_s)
        name, shown = "occurred_at", "occurred_at"
        if occurred_at is not None:
            seconds = taken(plausible.seconds_of, occurred_at, name)
        else:
            name, shown = "timestamp", "the record's timestamp"
            seconds = timestamp_s if timestamp_s > 0 else now_s
        if seconds in plausible:
            return int(seconds)
        raise InvalidRecord("out_of_range", name, f"{shown} {plausible.why_not(seconds, self.max_future_s)}")


def _complete(event: EventForm, source: str, name: str, time: str | None) -> None:
    """What a CloudEvent says of itself stands in for what its data leaves out."""
    if name and not event.event_id:  # the pair is what CloudEvents calls unique; a source may be a long address
        event.event_id = "ce-" + hmac.digest(b"cloudevents", f"{source}\x1f{name}".encode(), "sha256").hex()
    event.occurred_at = event.occurred_at or time or None


def _unwrapped(envelope: EventForm) -> EventForm:
    """The payload's fields, completed by the envelope's."""
    event = parsed(EVENT, envelope.payload, "payload")
    for name in ("event_id", "profile_id", "phone", "brand_id", "occurred_at"):
        if getattr(event, name) is None:
            setattr(event, name, getattr(envelope, name))
    return event


def _lines(items: list[ItemForm] | None) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Product ids and prices; of a product that stands twice the last price that was said counts."""
    if not items:
        raise InvalidRecord("missing_field", "items", "items is missing or empty: an order has at least one")
    if len(items) > MAX_ITEMS:
        raise InvalidRecord("out_of_range", "items", f"items has {len(items)} entries, {MAX_ITEMS} are taken")
    lines: dict[str, float] = {}
    for at, item in enumerate(items):
        product_id, price = _checked_line(at, item)
        if price is None:
            lines.setdefault(product_id, math.nan)
        else:
            lines[product_id] = price
    return tuple(lines), tuple(lines.values())


def _checked_line(at: int, item: ItemForm) -> tuple[str, float | None]:
    """Product id and price of one of the items."""
    product_id, price, quantity = item.product_id, item.price, item.quantity
    if not isinstance(product_id, str):
        product_id = taken(id_text, product_id, f"items[{at}].product_id")
    if not (product_id and len(product_id) <= MAX_ID_CHARACTERS and product_id.isprintable()):
        checked_id(product_id, f"items[{at}].product_id")
    if isinstance(quantity, str):
        quantity = taken(number, quantity, f"items[{at}].quantity")
    if not 0 < quantity < math.inf:
        raise InvalidRecord("out_of_range", f"items[{at}].quantity", f"items[{at}].quantity is not above 0")
    if isinstance(price, str):
        price = taken(number, price, f"items[{at}].price")
    if price is not None and not 0 <= price <= MAX_PRICE:
        raise InvalidRecord("out_of_range", f"items[{at}].price", f"items[{at}].price is not between 0 and 1e12")
    return product_id, price


def taken(read: Callable[[V], T], value: V, name: str) -> T:
    """What `read` makes of a field's value, its ValueError with the field's name before it. Raises `InvalidRecord`."""
    try:
        return read(value)
    except ValueError as error:
        reason = "out_of_range" if name == "occurred_at" else "wrong_type"
        raise InvalidRecord(reason, name, f"{name} {error}") from None


def optional_id(value: Id | None, name: str) -> str:
    """The id, "" for none. Raises `InvalidRecord`."""
    if value is None or value == "":
        return ""
    return checked_id(taken(id_text, value, name), name)


def header_counts(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether one of them may change what a record's value says."""
    return not _HEADERS_THAT_COUNT.isdisjoint([name for name, _ in headers])
