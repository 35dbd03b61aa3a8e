"""The usual request, read fast: a profile and maybe a brand, k and where the reply goes, all of it as documented.

Whatever is unusual about a body is None here and left to `request_body`, which says what is wrong with it, if anything.
Promise: what is taken here means there the same.
"""

from typing import Literal

import msgspec

from consumers.decoding.fields import MAX_ID_CHARACTERS
from serving.protocol.request_body import MAX_REQUEST_BYTES, RequestRules
from serving.recommendation.request import Request


class PlainBody(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Fields in the types that the documentation says, null for not given."""

    profile_id: str
    brand_id: str | None = None
    k: int | None = None
    kind: Literal["recs"] | None = None
    exclude_purchased: bool | None = None
    correlation_id: str | int | None = None
    reply_topic: str | None = None


_decode = msgspec.json.Decoder(PlainBody).decode


def plain_body(value: bytes | None) -> PlainBody | None:
    """The body of a usual request."""
    if value is None or len(value) > MAX_REQUEST_BYTES:
        return None
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def plain_request(body: PlainBody, rules: RequestRules) -> Request | None:
    """What it asks for, None when it has to be looked at closely; no header may name a brand."""
    profile, brand, k = body.profile_id, body.brand_id, body.k
    if not _is_plain(profile):
        return None
    if brand is not None and not (brand == "" or _is_plain(brand)):
        return None
    if k is None:
        k = rules.default_k
    elif not 1 <= k <= rules.max_k:
        return None
    return Request(profile, brand or None, k=k, exclude_purchased=body.exclude_purchased is not False)


def _is_plain(id_: str) -> bool:
    return 0 < len(id_) <= MAX_ID_CHARACTERS and id_.isprintable()
