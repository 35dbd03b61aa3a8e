"""Replies are joined from text that is there, and are to the byte what one object would be encoded to."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from model.catalogue.product import Product
from model.catalogue.shown_prices import shortest_price
from serving.protocol.reply_body import ReplyEnd, ReplyWriter, Shortfall, WatermarkBody, encoded
from serving.protocol.shown_products import ShownProducts
from serving.recommendation.answer import Part
from serving.recommendation.request import KINDS, Request
from tests.builders.whole_reply import whole_reply

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['Kettle "Ünique" <5 l>', "back\\slash", "日本茶 ☕", "\x00\x1f\x7f\u2028", "'{}%s", "{number}"]
)
PRICES = st.none() | st.floats(0, 1e6, width=32).map(shortest_price) | st.sampled_from([0.0, 2.08, 1e-9, 1e30])
PRODUCTS = st.builds(Product, TEXTS, TEXTS, PRICES, st.none() | TEXTS, st.none() | TEXTS)
# as they come: 32-bit numbers, whole hundreds of thousandths, and the ends
SCORES = st.floats(0, 1, width=32) | st.floats(0, 1) | st.integers(0, 10_000).map(lambda n: n / 10_000)
IDS = TEXTS.filter(bool)


@st.composite
def answers(draw):
    """Products (number 0 is none), prices paid, and the parts of an answer that shows them."""
    products = [Product("", ""), *draw(st.lists(PRODUCTS, min_size=1, max_size=8))]
    paid = [None, *draw(st.lists(PRICES, min_size=len(products) - 1, max_size=len(products) - 1))]
    shown = st.integers(1, len(products) - 1)
    parts = []
    for kind, strategy in draw(st.lists(st.sampled_from([("recs", "item2vec"), ("popular", "popular")]), max_size=3)):
        numbers = draw(st.lists(shown, min_size=1, max_size=6))
        scores = draw(st.lists(SCORES, min_size=len(numbers), max_size=len(numbers)))
        ranked = st.lists(shown | st.just(0), min_size=len(numbers), max_size=len(numbers))
        because = draw(st.lists(ranked, max_size=3))
        parts.append(Part(kind, strategy, numbers, scores, because=because))
    return products, paid, parts


ENDS = st.builds(
    ReplyEnd,
    shortfall=st.none() | st.builds(Shortfall, st.integers(0, 99), st.integers(0, 99), TEXTS),
    model_version=st.none() | TEXTS,
    timestamp=st.just("2026-11-22T10:00:00.123Z"),
    degraded=st.none() | TEXTS,
    variant=st.just("control"),
    watermark=st.builds(WatermarkBody, st.integers(0, 99), st.integers(-1, 2**40)),
    correlation_id=st.just(UNSET) | TEXTS | st.integers(-(2**63), 2**63),
    ignored=st.just(UNSET) | st.lists(TEXTS, min_size=1, max_size=3),
)


def is_plain_tie(score: float) -> bool:
    """Whether a fifth digit of 5 comes only of the multiplication: there four digits may be told either way."""
    return (10_000 * score) % 1 == 0.5


@given(answers(), ENDS, IDS, st.sampled_from(KINDS))
def test_a_reply_is_to_the_byte_what_one_object_would_be(answer, end, profile_id, kind):
    products, paid, parts = answer
    parts = [part for part in parts if not any(map(is_plain_tie, part.scores))]

    def price(number):
        return products[number].price if products[number].price is not None else paid[number]

    writer, request = ReplyWriter(ShownProducts(products, price)), Request(profile_id, kind=kind)
    once, again = (writer.written(request, "0f" * 16, parts, encoded(end)) for _ in range(2))

    assert once == again == whole_reply(request, "0f" * 16, parts, end, products=products, price=price)


@given(st.floats(0, 1))
def test_a_score_is_shown_with_four_digits(score):
    writer = ReplyWriter(ShownProducts([Product("", ""), Product("", "tea")], lambda _: None))
    end = ReplyEnd(None, None, "", None, variant="", watermark=WatermarkBody(0, 0))

    reply = json.loads(writer.written(Request("ada"), "", [Part("recs", "item2vec", [1], [score])], encoded(end)))

    assert reply["recommendations"][0]["score"] == pytest.approx(score, abs=0.00005001)
    assert len(str(reply["recommendations"][0]["score"])) <= len("0.1234")
