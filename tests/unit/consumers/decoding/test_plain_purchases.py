"""Plain purchases are read at once, and exactly as the careful reader reads them."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from consumers.decoding.purchases import PurchaseDecoder

NOW_S = 1_800_000_000
DECODER = PurchaseDecoder(max_future_s=86_400)

ids = (
    st.sampled_from(["tea", "", "Tee é", "a\x00", "a\x7f", "a\u00a0b", "x" * 256, "x" * 257, None, 7, 7.0, 7.5])
    | st.text()
)
numbers = st.sampled_from([0, -1, 1, 2.5, 1e12, 1e13, None, "3", "4.50", True])
items = st.fixed_dictionaries({"product_id": ids}, optional={"quantity": numbers, "price": numbers, "colour": ids})
times = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | st.sampled_from(
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22 10:00:00+01:00",
        "2026-11-22T10:00:00",
        "1969-12-31T23:59:59.9Z",
        "1994-12-31T23:59:59.9Z",
        "1995-01-01T00:00:00Z",
        1_795_341_600,
        "1795341600000",
        "today",
        None,
    ]
)
events = st.fixed_dictionaries(
    {"profile_id": ids, "items": st.lists(items, max_size=3) | st.none(), "occurred_at": times},
    optional={
        "event_id": ids,
        "brand_id": ids,
        "event_type": st.sampled_from(["purchase", "refund", "order.placed", None]),
        "type": st.sampled_from(["refund", "online", None]),
        "status": st.sampled_from(["cancelled", "paid", None]),
        "payload": items,
    },
)


def plain(*values):
    """The purchases among these that are read at once, and the places of the others."""
    purchases, others = DECODER.decode_plain(values, NOW_S)
    return list(purchases), others


def written_with(profile_id):
    """The JSON that stands there is taken as it is."""
    return b'{"profile_id":%b,"occurred_at":"2026-11-22T10:00:00Z","items":[{"product_id":"tea"}]}' % profile_id


def written(**fields):
    event = {"profile_id": "ada", "occurred_at": "2026-11-22T10:00:00Z", "items": [{"product_id": "tea"}]}
    return json.dumps(event | fields).encode()


raw = st.builds(
    lambda event, escaped: json.dumps(event, ensure_ascii=escaped).encode(errors="replace"), events, st.booleans()
)
controls = st.characters(max_codepoint=0x9F).map(lambda c: b'"a%b"' % c.encode()).map(written_with)


@given(st.lists(raw | controls | st.binary(max_size=9), max_size=6))
def test_what_is_read_at_once_is_read_as_the_careful_reader_does(values):
    purchases, others = plain(*values)

    carefully = [
        DECODER.decode(b"ada", value, {}, 0.0, NOW_S) for place, value in enumerate(values) if place not in others
    ]
    assert repr(purchases) == repr(carefully)  # NaN is not equal to itself


@pytest.mark.parametrize("fields", [{}, {"event_id": "o-1", "brand_id": "acme", "event_type": "purchase", "more": [1]}])
def test_the_common_form_is_read_at_once(fields):
    assert plain(written(**fields))[1] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"profile_id": ""}, {"profile_id": "a\x7f"}, {"profile_id": "a\x9f"}, {"brand_id": "\n"},
        {"occurred_at": "2026-11-22T10:00:00"}, {"event_type": "refund"},
        {"occurred_at": "2999-01-01T00:00:00Z"}, {"occurred_at": "1994-12-31T23:59:59Z"}, {"profile_id": 7},
        {"occurred_at": 1_795_341_600}, {"status": "cancelled"}, {"type": "refund"}, {"items": []},
        {"items": [{"product_id": "tea"}] * 2},
        {"items": [{"product_id": "tea\x7f"}]},
        {"items": [{"product_id": "tea", "price": -1}]},
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_the_careful_reader(fields):
    assert plain(written(**fields)) == ([], [0])


def test_the_places_of_what_is_unusual_are_those_in_the_batch():
    values = [written(profile_id=f"c-{number}") for number in range(1000)]
    unusual = {
        0: b"",
        127: written(status="paid"),
        128: b"{",
        129: written(items=[{"product_id": "tea"}] * 2),
        999: b"7",
    }
    for place, value in unusual.items():
        values[place] = value

    purchases, others = plain(*values)

    assert others == list(unusual)
    assert [purchase.profile for purchase in purchases] == [f"c-{i}" for i in range(1000) if i not in unusual]
