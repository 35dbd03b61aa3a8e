"""From the bytes of a request record to a checked `Request`, or to an `InvalidRecord` that names the field.

A field that is null counts as not given: many clients write out every field they have. Unknown fields are ignored, but
for filters: an unknown filter that was ignored would show what should not be shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from consumers.decoding.fields import MAX_ID_CHARACTERS, InvalidRecord, checked_id, parsed, text
from consumers.decoding.purchases import PurchaseDecoder
from serving.recommendation.request import KINDS, Kind, Request

FILTERS = ("exclude", "only")
MAX_REQUEST_BYTES = 262_144
MAX_IDS = 10_000
_SHOWN_CHARACTERS = 40
_SHOWN_NUMBER = 10**12


class Body(msgspec.Struct, gc=False):
    """The wire form of a request; also says where the reply goes, for clients that can not set headers."""

    profile_id: str | None = None
    phone: str | None = None
    brand_id: str | None = None
    kind: str | None = None
    k: int | None = None
    product_ids: list[str] | None = None
    filters: dict[str, object] | None = None
    exclude_purchased: bool | None = None
    correlation_id: str | None = None
    reply_topic: str | None = None
    deadline_ms: int | None = None


_BODY = msgspec.json.Decoder(Body)


def read_body(value: bytes | None) -> Body:
    """Decode the wire form. Raises `InvalidRecord`."""
    if value is None:
        raise InvalidRecord("missing_field", "value", "the request has no value: send a JSON object with profile_id")
    if len(value) > MAX_REQUEST_BYTES:
        raise InvalidRecord(
            "too_large",
            "value",
            f"the request has {len(value)} bytes, {MAX_REQUEST_BYTES} are taken; shorten the lists",
        )
    return parsed(_BODY, value)


def salvaged(value: bytes | None) -> Body:
    """What can still be read of a body that `read_body` refuses: who asks, and where the error should go."""
    if value is None or len(value) > MAX_REQUEST_BYTES:
        return Body()
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Body()
    if not isinstance(found, dict):
        return Body()
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    deadline = found.get("deadline_ms")
    return Body(
        profile_id=texts.get("profile_id"),
        correlation_id=texts.get("correlation_id"),
        reply_topic=texts.get("reply_topic"),
        deadline_ms=deadline if isinstance(deadline, int) else None,
    )


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What a request may ask for."""

    default_k: int
    max_k: int
    decoder: PurchaseDecoder  # knows how a phone number becomes a profile id

    def check(self, body: Body, headers: Mapping[str, bytes]) -> Request:
        """The request in its checked form. Raises `InvalidRecord`."""
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
            field = f"filters.{name[:_SHOWN_CHARACTERS]}" if name.isprintable() else "filters"
            raise InvalidRecord("out_of_range", field, f"{field} is not known; allowed: {', '.join(FILTERS)}")


def _ids(values: object, field: str) -> tuple[str, ...]:
    """The ids of a list, none for None."""
    if values is None:
        return ()
    if not isinstance(values, list):
        raise InvalidRecord("wrong_type", field, f"{field}: expected a list of product ids")
    if len(values) > MAX_IDS:
        raise InvalidRecord("out_of_range", field, f"{field} has {len(values)} entries, {MAX_IDS} are taken")
    if not _all_plain(values):
        for at, value in enumerate(values):
            if not isinstance(value, str):
                raise InvalidRecord("wrong_type", f"{field}[{at}]", f"{field}[{at}]: expected a product id, a text")
            checked_id(value, f"{field}[{at}]")
    return tuple(values)


def _all_plain(values: Sequence[object]) -> bool:
    """Whether nothing is wrong with any of these ids, found out at the speed that long lists need."""
    return all(
        isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable() for value in values
    )
