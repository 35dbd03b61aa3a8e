"""From the bytes of a request record to a checked `Request`, or to an `InvalidRecord` that names the field.

Unknown fields are ignored, but for filters: an unknown filter that was ignored would show what should not be shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from consumers.events import InvalidRecord, PurchaseDecoder, checked_id, parsed

Kind = Literal["recs", "popular", "similar", "all"]
KINDS: tuple[str, ...] = get_args(Kind)
MAX_REQUEST_BYTES = 262_144
MAX_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, checked."""

    profile_id: str
    brand_id: str | None
    kind: Kind
    k: int
    product_ids: tuple[str, ...]
    exclude: tuple[str, ...]
    only: tuple[str, ...] | None
    exclude_purchased: bool


class Body(msgspec.Struct, gc=False):
    """The wire form of a request; also says where the reply goes, for clients that can not set headers."""

    profile_id: str | None = None
    phone: str | None = None
    brand_id: str | None = None
    kind: str = "recs"
    k: int | None = None
    product_ids: list[str] = []
    filters: dict[str, list[str]] = {}
    exclude_purchased: bool = True
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


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What a request may ask for."""

    default_k: int
    max_k: int
    decoder: PurchaseDecoder  # knows how a phone number becomes a profile id

    def check(self, body: Body, headers: Mapping[str, bytes]) -> Request:
        """The request in its checked form. Raises `InvalidRecord`."""
        if body.kind not in KINDS:
            raise InvalidRecord("out_of_range", "kind", f"kind is {body.kind[:40]!r}; allowed: {', '.join(KINDS)}")
        k = self.default_k if body.k is None else body.k
        if not 1 <= k <= self.max_k:
            raise InvalidRecord("out_of_range", "k", f"k is {k}; allowed: 1 to {self.max_k}")
        for name in body.filters:
            if name not in ("exclude", "only"):
                raise InvalidRecord(
                    "out_of_range", f"filters.{name[:40]}", f"filters.{name[:40]} is not known; allowed: exclude, only"
                )
        only = body.filters.get("only")
        return Request(
            profile_id=self._profile(body),
            brand_id=_brand(body, headers),
            kind=body.kind,  # type: ignore[arg-type]  # checked above
            k=k,
            product_ids=_ids(body.product_ids, "product_ids"),
            exclude=_ids(body.filters.get("exclude", []), "filters.exclude"),
            only=None if only is None else _ids(only, "filters.only"),
            exclude_purchased=body.exclude_purchased,
        )

    def _profile(self, body: Body) -> str:
        if body.profile_id is None and body.phone is not None:
            return self.decoder.profile_of_phone(body.phone)
        return checked_id(body.profile_id, "profile_id")


def _brand(body: Body, headers: Mapping[str, bytes]) -> str | None:
    brand = body.brand_id
    if brand is None and "x-brand-id" in headers:
        brand = headers["x-brand-id"].decode("utf-8", "replace")
    return None if brand is None else checked_id(brand, "brand_id")


def _ids(values: list[str], field: str) -> tuple[str, ...]:
    if len(values) > MAX_IDS:
        raise InvalidRecord("out_of_range", field, f"{field} has {len(values)} entries, {MAX_IDS} are taken")
    for at, value in enumerate(values):
        checked_id(value, f"{field}[{at}]")
    return tuple(values)
