"""The wire form of replies and error replies: plain values in, the bytes of a JSON object out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import repeat

import msgspec

from consumers.decoding.fields import InvalidRecord
from serving.protocol.shown_products import ShownProducts
from serving.recommendation.answer import Answer, Part
from serving.recommendation.request import KINDS, Request

SCORE_PLACES = 10_000  # a score is shown with four digits

_ENCODER = msgspec.json.Encoder()


class Shortfall(msgspec.Struct, gc=False):
    """Why there are fewer recommendations than asked for."""

    asked: int
    given: int
    why: str


class WatermarkBody(msgspec.Struct, gc=False):
    """The last record of the customer's partition of purchases that this answer knows of; -1 = none."""

    partition: int
    offset: int


class ReplyEnd(msgspec.Struct, gc=False):
    """What a reply says behind its recommendations."""

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


def encoded(reply: ErrorReply | ErrorBody | ReplyEnd | str) -> bytes:
    """The JSON of it."""
    return _ENCODER.encode(reply)


class ReplyWriter:
    """Joins replies from text that is there: a recommendation is its product's begin, its score and its reasons.

    The bytes are those of one JSON object with the fields of a recommendation (product_id, brand_id, title, category,
    price, score, kind, strategy, because) and of a reply (profile_id, recommendation_id, kind, recommendations, then
    `ReplyEnd`), each in this order.
    """

    def __init__(self, shown: ShownProducts) -> None:
        self._shown = shown
        self._scores = [encoded_score(places) for places in range(SCORE_PLACES + 1)]
        self._kinds = {kind: f'","kind":"{kind}","recommendations":['.encode() for kind in KINDS}

    def written(self, request: Request, recommendation_id: str, parts: Sequence[Part], end: bytes) -> bytes:
        """The reply; `end` is the JSON of a `ReplyEnd`. Raises IndexError for a score that is not between 0 and 1."""
        return b"".join(
            (
                b'{"profile_id":',
                _ENCODER.encode(request.profile_id),
                b',"recommendation_id":"',
                recommendation_id.encode(),
                self._kinds[request.kind],
                ",".join([self._part(part) for part in parts]).encode(),
                b"],",
                memoryview(end)[1:],
            )
        )

    def _part(self, part: Part) -> str:
        begins, ids, scores = self._shown.begins, self._shown.ids, self._scores
        rest = f',"kind":"{part.kind}","strategy":"{part.strategy}","because":['
        reasons = [map(ids.__getitem__, ranked) for ranked in part.because]
        whys = [why[:-1] for why in map("".join, zip(*reasons, strict=True))]
        return ",".join(
            [
                f"{begins[number]}{scores[round(SCORE_PLACES * score)]}{rest}{why}]}}"
                for number, score, why in zip(part.numbers, part.scores, whys or repeat(""), strict=False)
            ]
        )


def encoded_score(places: int) -> str:
    """The text of so many ten-thousandths."""
    return _ENCODER.encode(places / SCORE_PLACES).decode()


def shortfall(request: Request, answer: Answer) -> Shortfall | None:
    """What is missing and why; None when nothing is."""
    given = sum([len(part.numbers) for part in answer.parts])
    return None if given >= answer.asked else Shortfall(answer.asked, given, _why_short(request))


def error_body(failure: InvalidRecord) -> ErrorBody:
    """The failure as whoever asked gets to see it."""
    return ErrorBody(failure.reason, str(failure), failure.field)


def _why_short(request: Request) -> str:
    if request.only is not None:
        return "filters.only leaves no more"
    products = "products" if request.brand_id is None else "products of this brand"
    return f"no more {products} that this customer may be shown" if request.exclude_purchased else f"no more {products}"
