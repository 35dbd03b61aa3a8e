"""The plain path and the full one: whatever the bytes and headers, a plain request is opened as the full path does."""

import json
import math

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from consumers.decoding.purchases import PurchaseDecoder
from consumers.kafka.records import Record
from serving.kafka_api.open_requests import OpenRequest, RequestOpener
from serving.kafka_api.reply_addresses import ReplyTopics
from serving.protocol.request_body import MAX_REQUEST_BYTES, RequestRules

NOW_MS = 1_700_000_100_000
TOPICS = {"replies": 6, "own.reply": 3, "gone": 0}


def opener(rules=None):
    """Ways back are kept from one request to the next, as in a batch."""
    return RequestOpener(
        rules or RequestRules(default_k=3, max_k=100, decoder=PurchaseDecoder(b"a secret of the shop")),
        ReplyTopics("replies", lambda topic: topic in TOPICS, lambda topic: TOPICS[topic]),
        10_000,
    )


def record(value, headers=(), timestamp_ms=NOW_MS):
    return Record("requests", 0, 7, b"ada", value, tuple(headers), timestamp_ms)


TEXTS = st.sampled_from(["ada", "", "Zoë 日本", "a\x00", "a\u2028b", "x" * 256, "x" * 257, "7", "  "]) | st.text(
    max_size=9
)
NUMBERS = st.sampled_from([1, 10, 100, 101, 0, -1, 7.0, 7.5, "7", True, 2**63, 10**30])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "profile_id": TEXTS | st.none() | NUMBERS,
        "brand_id": TEXTS | st.none() | NUMBERS,
        "k": NUMBERS | st.none(),
        "kind": st.sampled_from(["recs", "popular", "all", "recz", "", None, 3]),
        "exclude_purchased": st.sampled_from([True, False, None, "false", 0]),
        "correlation_id": TEXTS | st.none() | NUMBERS,
        "reply_topic": st.sampled_from([*TOPICS, "secret", "", None, 5]),
        "product_ids": st.sampled_from([[], ["tea"], None]),
        "filters": st.sampled_from([{}, {"only": ["tea"]}, None]),
        "deadline_ms": st.sampled_from([NOW_MS - 1, NOW_MS + 1, None, "", "soon"]),
        "phone": st.sampled_from(["+4915112345678", None]),
        "trace": st.just("t-1"),
    },
)
USUAL = st.fixed_dictionaries(
    {"profile_id": st.sampled_from(["ada", "Zoë"])},
    optional={
        "k": st.integers(1, 100) | st.none(),
        "kind": st.just("recs"),
        "brand_id": st.sampled_from(["acme", ""]),
        "exclude_purchased": st.booleans(),
        "correlation_id": TEXTS | st.integers(-5, 5),
        "reply_topic": st.sampled_from(["replies", "own.reply"]),
    },
)
BODIES = (FIELDS | USUAL).map(lambda fields: json.dumps(fields).encode())
TWICE = st.tuples(BODIES, BODIES).map(lambda two: two[0][:-1] + b"," + two[1][1:])
VALUES = (
    BODIES
    | TWICE
    | st.binary(max_size=40)
    | st.sampled_from(
        [None, b"", b"[]", b'{"profile_id":"ada"} ', b'{"profile_id":"ada"}x', b'{"profile_id":"\xff"}', b"[" * 9000]
    )
)
HEADER_VALUES = st.none() | st.sampled_from(
    [b"replies", b'"own.reply"', b"gone", b"secret", b"5", b"\x00\x00\x00\x01", b"", b"\xff", bytes(16), b"7f3a"]
)
NAMES = st.sampled_from(
    [
        *("correlation_id", "kafka_correlationId", "REPLY_CORRELATION_ID", "reply_to", "kafka_replyTopic"),
        *("REPLY_TOPIC", "kafka_replyPartition", "REPLY_PARTITION", "content-type", "traceparent"),
        *("deadline_ms", "x-brand-id"),
    ]
)
RECORDS = st.builds(
    record,
    VALUES,
    st.lists(st.tuples(NAMES, HEADER_VALUES), max_size=4),
    st.sampled_from([NOW_MS, NOW_MS - 10_000, NOW_MS - 10_001, 0, -1, NOW_MS // 1000]),
)


def told(opened):
    """What became of a request, in words that compare."""
    if opened is None or isinstance(opened, OpenRequest):
        return opened
    return type(opened).__name__, str(getattr(opened, "failure", "")), getattr(opened, "address", None)


@settings(max_examples=400, deadline=None)
@given(records=st.lists(RECORDS, min_size=1, max_size=12))
def test_what_the_plain_path_opens_the_full_one_opens_the_same(records):
    one, other = opener(), opener()

    for asked in records:
        plain, full = one.plain(asked, NOW_MS), other.full(asked, NOW_MS)
        event(f"plain: {type(plain).__name__}, full: {type(full).__name__}")
        if plain is not None:
            assert told(plain) == told(full)
        assert told(one.opened(asked, NOW_MS)) == told(full)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"profile_id": "ada"}, []),
        ({"profile_id": "ada", "k": 10}, [("correlation_id", b"7")]),
        ({"profile_id": "Zoë", "kind": "recs", "brand_id": "acme"}, [("kafka_correlationId", bytes(16))]),
        ({"profile_id": "ada", "k": None, "correlation_id": 7, "reply_topic": "own.reply"}, [("content-type", b"x")]),
        ({"profile_id": "ada"}, [("kafka_correlationId", b"7f3a"), ("kafka_replyPartition", b"2")]),
        ({"profile_id": "ada", "exclude_purchased": False}, [("reply_to", b"replies")]),
    ],
)
def test_the_usual_request_takes_the_plain_path(body, headers):
    opened = opener().plain(record(json.dumps(body).encode(), headers), NOW_MS)

    assert isinstance(opened, OpenRequest)


def test_a_request_that_is_too_large_takes_the_full_path():
    asked = record(json.dumps({"profile_id": "ada"}).encode() + b" " * MAX_REQUEST_BYTES)

    assert opener().plain(asked, NOW_MS) is None


def test_a_way_back_is_looked_at_again_after_a_second():
    partitions = [6]
    one = opener()
    one.addresses.partitions_of = lambda _: partitions[0]
    asked = record(b'{"profile_id":"ada"}', [("kafka_replyPartition", b"5")])
    one.addresses.look_again(100.0)
    before = one.opened(asked, NOW_MS).address.partition
    partitions[0] = 3

    one.addresses.look_again(100.5)
    within = one.opened(asked, NOW_MS).address.partition
    one.addresses.look_again(101.5)

    assert (before, within, one.opened(asked, NOW_MS).address.partition) == (5, 5, -1)


def test_the_correlation_of_one_request_is_not_anothers():
    one = opener()

    found = [
        one.opened(record(b'{"profile_id":"ada"}', [("correlation_id", value)]), NOW_MS).address.headers[0]
        for value in (b"1", b"2", b"1")
    ]

    assert [value for _, value in found] == [b"1", b"2", b"1"]


def test_a_request_without_a_time_is_as_good_as_new():
    assert opener().opened(record(b'{"profile_id":"ada"}', timestamp_ms=0), NOW_MS).deadline_ms == math.inf


def test_plain_and_full_paths_know_the_same_default_and_most_k():
    rules = RequestRules(default_k=9, max_k=9, decoder=PurchaseDecoder())

    asked = [opener(rules).plain(record(msgspec.json.encode({"profile_id": "ada", "k": k})), NOW_MS) for k in (9, 10)]

    assert (asked[0].request.k, asked[1]) == (9, None)
