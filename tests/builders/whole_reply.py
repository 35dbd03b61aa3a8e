"""A reply as one value, encoded at once: what the joined bytes of the service are held to."""

from collections.abc import Callable, Sequence

import msgspec

from model.catalogue.product import Product
from serving.protocol.reply_body import Shortfall, WatermarkBody, encoded
from serving.recommendation.answer import Part
from serving.recommendation.request import Request


class RecommendedItem(msgspec.Struct):
    product_id: str
    brand_id: str | None
    title: str | None
    category: str | None
    price: float | None
    score: float
    kind: str
    strategy: str
    because: list[str]


class ReplyBody(msgspec.Struct):
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
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


def whole_reply(
    request: Request,
    recommendation_id: str,
    parts: Sequence[Part],
    end,
    *,
    products: Sequence[Product],
    price: Callable[[int], float | None],
) -> bytes:
    """The reply by way of an object for each product; `end` is a `ReplyEnd`."""
    items = [
        RecommendedItem(
            product_id=products[item.number].product_id,
            brand_id=products[item.number].brand or None,
            title=products[item.number].title,
            category=products[item.number].category,
            price=price(item.number),
            score=round(item.score, 4),
            kind=item.kind,
            strategy=item.strategy,
            because=[products[reason].product_id for reason in item.because],
        )
        for part in parts
        for item in part.items()
    ]
    return encoded(ReplyBody(request.profile_id, recommendation_id, request.kind, items, **msgspec.structs.asdict(end)))
