"""From the bytes of a request record to a checked `Request`, or to an `InvalidRecord` that names the field.

A field that is null counts as not given: many clients write out every field they have. A field that is not known is
refused, or ignored where the setting says so, and then the reply names it; a filter that is not known is always
refused, since one that was ignored would show what should not be shown.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeGuard

import msgspec

from consumers.decoding.fields import MAX_ID_CHARACTERS, InvalidRecord, checked_id, parsed, text
from consumers.decoding.loose_values import Id, id_text, truth, whole_number
from consumers.decoding.purchases import PurchaseDecoder, taken
from serving.protocol.unknown_fields import unknown_field_words, unknown_fields, unknown_filter_words
from serving.recommendation.request import KINDS, Kind, Request

FILTERS = ("exclude", "only")
MAX_REQUEST_BYTES = 262_144
MAX_IDS = 10_000
_SHOWN_CHARACTERS = 40
_SHOWN_NUMBER = 10**12
_LEADS_BACK = re.compile(
    rb'"(profile_id|correlation_id|reply_topic)"\s*:\s*("(?:[^"\\]|\\.){0,256}")|"(deadline_ms)"\s*:\s*(\d{1,18})\b'
)


class _Wire(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The wire form of a request, as loosely typed as clients write it."""

    profile_id: Id | None = None
    phone: str | None = None
    brand_id: Id | None = None
    kind: str | None = None
    k: int | float | str | None = None
    product_ids: list[Id] | None = None
    filters: dict[str, object] | None = None
    exclude_purchased: bool | str | None = None
    correlation_id: str | int | None = None
    reply_topic: str | None = None
    deadline_ms: int | float | str | None = None


class Body(msgspec.Struct, gc=False):
    """A request's body; also says where the reply goes, for clients that can not set headers."""

    profile_id: str | None = None
    phone: str | None = None
    brand_id: str | None = None
    kind: str | None = None
    k: int | None = None
    product_ids: list[Id] | None = None
    filters: dict[str, object] | None = None
    exclude_purchased: bool | None = None
    correlation_id: str | int | None = None
    reply_topic: str | None = None
    deadline_ms: int | float | str | None = None
    unknown: tuple[str, ...] = ()  # the names of fields that would change the answer if they were known


class _Lenient(_Wire, gc=False, forbid_unknown_fields=False):
    """As `_Wire`, for a body with unknown fields, which were named before."""


_WIRE = msgspec.json.Decoder(_Wire)
_LENIENT = msgspec.json.Decoder(_Lenient)
_FIELDS = _Wire.__struct_fields__


def read_body(value: bytes | None) -> Body:
    """Decode the wire form; fields that are not known are only named. Raises `InvalidRecord`."""
    if value is None:
        raise InvalidRecord("missing_field", "value", "the request has no value: send a JSON object with profile_id")
    if len(value) > MAX_REQUEST_BYTES:
        raise InvalidRecord(
            "too_large",
            "value",
            f"the request has {len(value)} bytes, {MAX_REQUEST_BYTES} are taken; shorten the lists",
        )
    try:
        return _body(_WIRE.decode(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a ValidationError is a DecodeError
        unknown = unknown_fields(value, _FIELDS)
        return _body(parsed(_LENIENT, value), unknown or ())


def _body(wire: _Wire, unknown: tuple[str, ...] = ()) -> Body:
    profile, brand, k, purchased = wire.profile_id, wire.brand_id, wire.k, wire.exclude_purchased
    return Body(
        profile_id=profile if profile is None or type(profile) is str else taken(id_text, profile, "profile_id"),
        phone=wire.phone,
        brand_id=brand if brand is None else taken(id_text, brand, "brand_id"),
        kind=wire.kind,
        k=k if k is None or type(k) is int else taken(whole_number, k, "k"),
        product_ids=wire.product_ids,
        filters=wire.filters,
        exclude_purchased=purchased if purchased is None else taken(truth, purchased, "exclude_purchased"),
        correlation_id=wire.correlation_id,
        reply_topic=wire.reply_topic,
        deadline_ms=wire.deadline_ms,
        unknown=unknown,
    )


def salvaged(value: bytes | None) -> Body:
    """What can still be read of a body that `read_body` refuses: who asks, and where the error should go."""
    if value is None:
        return Body()
    try:
        found = _pieces(value) if len(value) > MAX_REQUEST_BYTES else msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _pieces(value)
    if not isinstance(found, dict):
        return Body()
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    profile, correlation, deadline = (found.get(name) for name in ("profile_id", "correlation_id", "deadline_ms"))
    return Body(
        profile_id=str(profile) if _is_whole(profile) else texts.get("profile_id"),
        correlation_id=correlation if _is_whole(correlation) else texts.get("correlation_id"),
        reply_topic=texts.get("reply_topic"),
        deadline_ms=deadline if _is_whole(deadline) else texts.get("deadline_ms"),
    )


def _pieces(value: bytes) -> dict[str, object]:
    """The fields that lead back to the sender, of bytes that are no JSON or too many: as they stand there in text.

    A reply topic found so is taken only from the allow-list, as any other.
    """
    found: dict[str, object] = {}
    for name, quoted, deadline, digits in _LEADS_BACK.findall(value):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            found[(name or deadline).decode()] = msgspec.json.decode(quoted or digits)
    return found


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What a request may ask for."""

    default_k: int
    max_k: int
    decoder: PurchaseDecoder  # knows how a phone number becomes a profile id
    unknown_fields: Literal["refuse", "ignore"] = "refuse"

    def check(self, body: Body, headers: Mapping[str, bytes]) -> Request:
        """The request in its checked form. Raises `InvalidRecord`."""
        if body.unknown and self.unknown_fields == "refuse":
            raise InvalidRecord("unknown_field", body.unknown[0], unknown_field_words(body.unknown, _FIELDS))
        filters = body.filters or {}
        _refuse_unknown(filters)
        only = filters.get("only")
        return Request(
            profile_id=self._profile(body),
            brand_id=_brand(body, headers),
            kind=_kind(body.kind),
            k=self._k(body.k),
            product_ids=_ids(body.product_ids, "product_ids"),
            exclude=_ids(filters.get("exclude"), "filters.exclude"),
            only=None if only is None else _ids(only, "filters.only"),
            exclude_purchased=body.exclude_purchased is not False,
        )

    def _k(self, k: int | None) -> int:
        if k is None:
            return self.default_k
        if not 1 <= k <= self.max_k:
            said = k if abs(k) < _SHOWN_NUMBER else "far out of range"
            raise InvalidRecord("out_of_range", "k", f"k is {said}; allowed: 1 to {self.max_k}")
        return k

    def _profile(self, body: Body) -> str:
        if body.profile_id is None and body.phone is not None:
            return self.decoder.profile_of_phone(body.phone)
        return checked_id(body.profile_id, "profile_id")


def _kind(kind: str | None) -> Kind:
    if kind is None:
        return "recs"
    if kind not in KINDS:
        raise InvalidRecord(
            "out_of_range", "kind", f"kind is {kind[:_SHOWN_CHARACTERS]!r}; allowed: {', '.join(KINDS)}"
        )
    return kind  # type: ignore[return-value]  # just checked


def _brand(body: Body, headers: Mapping[str, bytes]) -> str | None:
    """An empty brand is none, as it is in a purchase."""
    brand = body.brand_id
    if brand is None and headers:
        brand = text(headers.get("x-brand-id"), "x-brand-id")
    return checked_id(brand, "brand_id") if brand else None


def _refuse_unknown(filters: Mapping[str, object]) -> None:
    for name in filters:
        if name not in FILTERS:
            raise InvalidRecord("out_of_range", *unknown_filter_words(name, FILTERS))


def _ids(values: object, field: str) -> tuple[str, ...]:
    """The ids of a list, none for None."""
    if values is None:
        return ()
    if not isinstance(values, list):
        raise InvalidRecord("wrong_type", field, f"{field}: expected a list of product ids")
    if len(values) > MAX_IDS:
        raise InvalidRecord("out_of_range", field, f"{field} has {len(values)} entries, {MAX_IDS} are taken")
    if _all_plain(values):
        return tuple(values)
    return tuple(_product_id(value, f"{field}[{at}]") for at, value in enumerate(values))


def _product_id(value: object, field: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRecord("wrong_type", field, f"{field}: expected a product id, a text")
    return checked_id(taken(id_text, value, field), field)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _SHOWN_NUMBER**2


def _all_plain(values: Sequence[object]) -> bool:
    """Whether nothing is wrong with any of these ids, found out at the speed that long lists need."""
    return all(
        isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable() for value in values
    )
