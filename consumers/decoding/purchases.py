"""From the bytes of a purchases record to a `Purchase` or a `Forget`, or to `InvalidRecord` with the reason.

Taken: the plain purchase, the `event_type`/`payload` envelope with a phone number, CloudEvents structured and binary,
and a null value (forget the customer). Unknown fields are ignored; everything known is checked, so nothing that is
counted can surprise the model later. No message repeats what stands in a record: that may be a phone number.
"""

import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from consumers.decoding.fields import MAX_ID_CHARACTERS, InvalidRecord, checked_id, parsed, text
from consumers.decoding.plain_purchases import MAX_ITEMS, MAX_PRICE, plain_purchase
from model.purchases.changes import Forget, Purchase

MAX_EVENT_BYTES = 1_048_576


_PHONE = re.compile(r"(?:\+|00)?[0-9]{6,15}")
_PHONE_NOISE = re.compile(r"[\s()./-]")
_HEADERS_THAT_COUNT = frozenset({"content-type", "ce_id", "x-brand-id"})


_NOTHING = msgspec.Raw(b"null")


class _Item(msgspec.Struct, gc=False):
    product_id: str
    quantity: float = 1
    price: float | None = None


class _Event(msgspec.Struct, gc=False):
    event_id: str | None = None
    profile_id: str | None = None
    phone: str | None = None
    brand_id: str | None = None
    occurred_at: str | None = None
    items: list[_Item] | None = None
    event_type: str = "purchase"
    payload: msgspec.Raw = _NOTHING


class _CloudEvent(msgspec.Struct, gc=False):
    id: str
    source: str
    data: msgspec.Raw
    time: str | None = None


_EVENT = msgspec.json.Decoder(_Event)
_CLOUD_EVENT = msgspec.json.Decoder(_CloudEvent)


@dataclass(frozen=True, slots=True)
class PurchaseDecoder:
    """Decodes purchases records.

    phone_hash_key: the secret that turns a phone number into a profile id; without it records with a phone are invalid.
    max_future_s: how far ahead of the clock a purchase may lie, in seconds.
    """

    phone_hash_key: bytes | None = None
    max_future_s: int = 86_400

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
        if not headers or _HEADERS_THAT_COUNT.isdisjoint(headers):
            plain = plain_purchase(value, now_s + self.max_future_s)
            if plain is not None:
                return plain
        return self._of_any_form(value, headers, timestamp_s, now_s)

    def _of_any_form(self, value: bytes, headers: Mapping[str, bytes], timestamp_s: float, now_s: float) -> Purchase:
        event = _open(value, headers) if headers else parsed(_EVENT, value)
        if event.items is None and bytes(event.payload) != bytes(_NOTHING):
            event = _unwrapped(event)
        if event.event_type != "purchase":
            raise InvalidRecord(
                "wrong_event_type", "event_type", "event_type is not 'purchase', the only one taken here"
            )
        if event.brand_id is None and headers:
            event.brand_id = text(headers.get("x-brand-id"), "x-brand-id")
        return Purchase(
            self._profile(event),
            checked_id(event.brand_id, "brand_id") if event.brand_id else "",
            self._time(event.occurred_at, timestamp_s, now_s),
            *_lines(event.items),
            checked_id(event.event_id, "event_id") if event.event_id else "",
        )

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
        profile = checked_id(text(key, "key"), "key")
        if self.phone_hash_key is not None and _PHONE.fullmatch(_PHONE_NOISE.sub("", profile)):
            return Forget(profile, self.profile_of_phone(profile, "key"))
        return Forget(profile)

    def _profile(self, event: _Event) -> str:
        if event.profile_id is not None:
            return checked_id(event.profile_id, "profile_id")
        if event.phone is not None:
            return self.profile_of_phone(event.phone)
        raise InvalidRecord("missing_field", "profile_id", "profile_id is missing")

    def _time(self, occurred_at: str | None, timestamp_s: float, now_s: float) -> int:
        if occurred_at is not None:
            field, seconds = "occurred_at", _seconds(occurred_at)
        else:
            field, seconds = "timestamp", timestamp_s if timestamp_s > 0 else now_s
        if 0 <= seconds <= now_s + self.max_future_s:
            return int(seconds)
        where = "before 1970" if seconds < 0 else f"more than {self.max_future_s} s in the future"
        raise InvalidRecord("out_of_range", field, f"{field} lies {where}")


def _seconds(occurred_at: str) -> float:
    """Seconds since 1970 of an RFC 3339 time, UTC where it names no offset. Raises `InvalidRecord`."""
    try:
        if occurred_at[4:8:3] != "--" or occurred_at[10:11] not in ("T", "t", " "):
            raise ValueError  # noqa: TRY301 - another form of ISO 8601, which means less than a moment
        moment = datetime.fromisoformat(occurred_at.upper())
    except ValueError:
        raise InvalidRecord("out_of_range", "occurred_at", "occurred_at is no RFC 3339 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _open(value: bytes, headers: Mapping[str, bytes]) -> _Event:
    """Take an event out of its CloudEvents envelope, where it has one."""
    if headers.get("content-type", b"").lower().startswith(b"application/cloudevents"):
        cloud = parsed(_CLOUD_EVENT, value)
        event, source, name, time = parsed(_EVENT, cloud.data, "data"), cloud.source, cloud.id, cloud.time
    else:
        event = parsed(_EVENT, value)
        if "ce_id" not in headers:
            return event
        source, name = text(headers.get("ce_source"), "ce_source") or "", text(headers["ce_id"], "ce_id") or ""
        time = text(headers.get("ce_time"), "ce_time") or None
    if name and not event.event_id:  # the pair is what CloudEvents calls unique; a source may be a long address
        event.event_id = "ce-" + hmac.digest(b"cloudevents", f"{source}\x1f{name}".encode(), "sha256").hex()
    event.occurred_at = event.occurred_at or time
    return event


def _unwrapped(envelope: _Event) -> _Event:
    """The payload's fields, completed by the envelope's."""
    event = parsed(_EVENT, envelope.payload, "payload")
    for name in ("event_id", "profile_id", "phone", "brand_id", "occurred_at"):
        if getattr(event, name) is None:
            setattr(event, name, getattr(envelope, name))
    event.event_type = envelope.event_type
    return event


def _lines(items: list[_Item] | None) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Product ids and prices; of a product that stands twice the last price that was said counts."""
    if not items:
        raise InvalidRecord("missing_field", "items", "items is missing or empty: an order has at least one")
    if len(items) > MAX_ITEMS:
        raise InvalidRecord("out_of_range", "items", f"items has {len(items)} entries, {MAX_ITEMS} are taken")
    lines: dict[str, float] = {}
    for at, item in enumerate(items):
        product_id, price = item.product_id, item.price
        if not (product_id and len(product_id) <= MAX_ID_CHARACTERS and product_id.isprintable()):
            checked_id(product_id, f"items[{at}].product_id")
        if not 0 < item.quantity < math.inf:
            raise InvalidRecord("out_of_range", f"items[{at}].quantity", f"items[{at}].quantity is not above 0")
        if price is None:
            lines.setdefault(product_id, math.nan)
        elif 0 <= price <= MAX_PRICE:
            lines[product_id] = price
        else:
            raise InvalidRecord("out_of_range", f"items[{at}].price", f"items[{at}].price is not between 0 and 1e12")
    return tuple(lines), tuple(lines.values())
