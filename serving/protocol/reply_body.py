"""The wire form of replies and error replies: plain values in, the bytes of a JSON object out."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from consumers.decoding.fields import InvalidRecord
from model.catalogue.product import Product
from serving.recommendation.answer import Answer, Item
from serving.recommendation.request import Request

_ENCODER = msgspec.json.Encoder()


class RecommendedItem(msgspec.Struct, gc=False):
    """A recommendation on the wire."""

    product_id: str
    brand_id: str | None
    title: str | None
    category: str | None
    price: float | None
    score: float
    kind: str
    strategy: str
    because: list[str]


class Shortfall(msgspec.Struct, gc=False):
    """Why there are fewer recommendations than asked for."""

    asked: int
    given: int
    why: str


class WatermarkBody(msgspec.Struct, gc=False):
    """The last record of the customer's partition of purchases that this answer knows of; -1 = none."""

    partition: int
    offset: int


class ReplyBody(msgspec.Struct, gc=False):
    """A reply on the wire."""

    profile_id: str
    recommendation_id: str
    kind: str
    recommendations: list[RecommendedItem]
    shortfall: Shortfall | None
    model_version: str | None
    timestamp: str
    degraded: str | None
    variant: str
    watermark: WatermarkBody
    correlation_id: str | int | msgspec.UnsetType = msgspec.UNSET
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET  # fields of the request that are not known


class ErrorBody(msgspec.Struct, gc=False):
    """What is wrong with a request."""

    code: str
    message: str
    field: str


class ErrorReply(msgspec.Struct, gc=False):
    """An error reply on the wire."""

    error: ErrorBody
    profile_id: str | None
    timestamp: str
    correlation_id: str | int | msgspec.UnsetType = msgspec.UNSET


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-11-22T10:00:00.123Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encoded(reply: ReplyBody | ErrorReply | ErrorBody) -> bytes:
    """The JSON of it."""
    return _ENCODER.encode(reply)


def wire_items(
    items: Sequence[Item], products: Sequence[Product], price: Callable[[int], float | None]
) -> list[RecommendedItem]:
    """The items with what the catalogue says of them; `products` by product number."""
    wire = []
    for item in items:
        number = item.number
        brand, product_id, _, title, category, _ = products[number]
        because = [products[reason].product_id for reason in item.because]
        wire.append(
            RecommendedItem(
                product_id=product_id,
                brand_id=brand or None,
                title=title,
                category=category,
                price=price(number),
                score=round(item.score, 4),
                kind=item.kind,
                strategy=item.strategy,
                because=because,
            )
        )
    return wire


def shortfall(request: Request, answer: Answer) -> Shortfall | None:
    """What is missing and why; None when nothing is."""
    given = len(answer.items)
    return None if given >= answer.asked else Shortfall(answer.asked, given, _why_short(request))


def error_body(failure: InvalidRecord) -> ErrorBody:
    """The failure as whoever asked gets to see it."""
    return ErrorBody(failure.reason, str(failure), failure.field)


def _why_short(request: Request) -> str:
    if request.only is not None:
        return "filters.only leaves no more"
    products = "products" if request.brand_id is None else "products of this brand"
    return f"no more {products} that this customer may be shown" if request.exclude_purchased else f"no more {products}"
