"""What a request may say: every field's errors name the field, and no bytes do more harm than that."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.decoding.fields import InvalidRecord
from consumers.decoding.purchases import PurchaseDecoder
from serving.protocol.request_body import MAX_REQUEST_BYTES, Body, RequestRules, read_body, salvaged
from serving.recommendation.request import Request

RULES = RequestRules(default_k=10, max_k=100, decoder=PurchaseDecoder())
PHONES = RequestRules(default_k=10, max_k=100, decoder=PurchaseDecoder(b"a secret of the shop"))


def check(body, headers=(), rules=RULES):
    return rules.check(read_body(json.dumps(body).encode()), dict(headers))


def refused(value, headers=(), rules=RULES):
    """(reason, field, message) of the refusal."""
    value = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    with pytest.raises(InvalidRecord) as caught:
        rules.check(read_body(value), dict(headers))
    return caught.value.reason, caught.value.field, str(caught.value)


def ada(**fields):
    return {"profile_id": "ada"} | fields


def test_a_profile_is_all_a_request_needs():
    assert check(ada()) == Request("ada", None, "recs", 10, (), (), None, True)


def test_every_field_can_be_said():
    body = ada(
        brand_id="acme", kind="similar", k=3, product_ids=["tea"], exclude_purchased=False,
        filters={"exclude": ["cup"], "only": ["pot", "jug"]},
    )  # fmt: skip

    assert check(body) == Request("ada", "acme", "similar", 3, ("tea",), ("cup",), ("pot", "jug"), False)


def test_null_counts_as_not_given():
    body = dict.fromkeys(("brand_id", "kind", "k", "product_ids", "filters", "exclude_purchased", "correlation_id"))

    assert check(ada(**body)) == check(ada())
    assert check(ada(filters={"exclude": None, "only": None})) == check(ada())


def test_an_empty_list_of_what_may_be_shown_is_not_the_same_as_none():
    assert check(ada(filters={"only": []})).only == ()


def test_what_frameworks_and_tracing_add_is_let_pass():
    added = {
        "_class": "x",
        "@type": "y",
        "$schema": "z",
        "trace_id": "1",
        "requestId": "2",
        "timestamp": 3,
        "boosts": None,
    }

    assert check(ada(**added)) == check(ada())


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"boosts": {"tea": 2}, "diversity": 0.5}, "boosts", "boosts, diversity are not known"),
        ({"exclude_purchase": False}, "exclude_purchase", "did you mean exclude_purchased?"),
        ({"excludePurchased": False}, "excludePurchased", "did you mean exclude_purchased?"),
        ({"limit": 5}, "limit", "did you mean k?"),
        ({"user_id": "ada"}, "user_id", "did you mean profile_id?"),
        ({"exclude": ["tea"]}, "exclude", "did you mean filters.exclude?"),
        ({"\x1b[2J": 1}, "a field whose name can not be shown", "is not known"),
        ({f"f{n}": n for n in range(60)}, "f0", "and 45 more"),
    ],
)
def test_a_field_that_is_not_known_is_an_error_that_names_it(fields, field, said):
    reason, found, message = refused(ada(**fields))

    assert (reason, found) == ("unknown_field", field)
    assert said in message
    assert message.isprintable()


def test_with_the_setting_unknown_fields_pass_and_are_kept_for_the_reply():
    lenient = RequestRules(10, 100, PurchaseDecoder(), unknown_fields="ignore")
    body = read_body(json.dumps(ada(boosts=[1], k=3)).encode())

    assert lenient.check(body, {}) == check(ada(k=3))
    assert body.unknown == ("boosts",)


def test_a_filter_that_is_not_known_is_refused_whatever_the_setting():
    lenient = RequestRules(10, 100, PurchaseDecoder(), unknown_fields="ignore")

    assert refused(ada(filters={"exclud": []}), rules=lenient)[1:] == (
        "filters.exclud", "filters.exclud is not known (did you mean exclude?); allowed: exclude, only",
    )  # fmt: skip


def test_what_else_is_wrong_beside_an_unknown_field_is_still_found():
    assert refused(ada(boosts=1, filters=["tea"]))[:2] == ("wrong_type", "filters")


@pytest.mark.parametrize("written", ["42", 42, 42.0])
def test_a_customer_is_the_same_one_however_the_id_is_written(written):
    assert check({"profile_id": written}).profile_id == "42"


def test_numeric_ids_and_numbers_in_text_are_taken():
    body = ada(
        brand_id=3, k="5", product_ids=[7, "tea"], exclude_purchased="false", filters={"only": [1, 2.0], "exclude": [3]}
    )

    assert check(body) == Request("ada", "3", "recs", 5, ("7", "tea"), ("3",), ("1", "2"), False)


def test_ids_keep_their_spaces_and_letters():
    assert check(ada(product_ids=["thé vert ☕", 'a"b', "日本"])).product_ids == ("thé vert ☕", 'a"b', "日本")


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({}, "missing_field", "profile_id"),
        ({"profile_id": ""}, "missing_field", "profile_id"),
        ({"profile_id": None}, "missing_field", "profile_id"),
        ({"profile_id": True}, "wrong_type", "profile_id"),
        ({"profile_id": 7.5}, "wrong_type", "profile_id"),
        ({"profile_id": -7}, "wrong_type", "profile_id"),
        ({"profile_id": "x" * 257}, "out_of_range", "profile_id"),
        ({"profile_id": "a\nb"}, "out_of_range", "profile_id"),
        (ada(k=0), "out_of_range", "k"),
        (ada(k=101), "out_of_range", "k"),
        (ada(k=10**300), "out_of_range", "k"),
        (ada(k=-1), "out_of_range", "k"),
        (ada(k="ten"), "wrong_type", "k"),
        (ada(k=True), "wrong_type", "k"),
        (ada(k=2.5), "wrong_type", "k"),
        (ada(kind="best"), "out_of_range", "kind"),
        (ada(kind=3), "wrong_type", "kind"),
        (ada(brand_id="b" * 257), "out_of_range", "brand_id"),
        (ada(brand_id="a\x00"), "out_of_range", "brand_id"),
        (ada(product_ids="tea"), "wrong_type", "product_ids"),
        (ada(product_ids=["tea", ""]), "missing_field", "product_ids[1]"),
        (ada(product_ids=["x" * 10_000]), "out_of_range", "product_ids[0]"),
        (ada(product_ids=["p"] * 10_001), "out_of_range", "product_ids"),
        (ada(filters=["tea"]), "wrong_type", "filters"),
        (ada(filters={"only": "tea"}), "wrong_type", "filters.only"),
        (ada(filters={"only": ["tea", True]}), "wrong_type", "filters.only[1]"),
        (ada(filters={"only": ["tea", 0.5]}), "wrong_type", "filters.only[1]"),
        (ada(filters={"exclude": ["p"] * 10_001}), "out_of_range", "filters.exclude"),
        (ada(filters={"exclude": ["tea", "a\x7fb"]}), "out_of_range", "filters.exclude[1]"),
        (ada(filters={"in_stock": True}), "out_of_range", "filters.in_stock"),
        (ada(filters={"max_price": None}), "out_of_range", "filters.max_price"),
        (ada(filters={"\x1b[2J": []}), "out_of_range", "filters"),
        (ada(exclude_purchased="no"), "wrong_type", "exclude_purchased"),
        (ada(deadline_ms=["soon"]), "wrong_type", "deadline_ms"),
        (b"\x00\x00\x00\x00\x01{}", "not_json", "value"),
        (ada(reply_topic=1), "wrong_type", "reply_topic"),
        ({"phone": "+4912345678"}, "no_phone_hash_key", "phone"),
        ([ada()], "wrong_type", "value"),
        (b"profile_id=ada", "not_json", "value"),
        (b"", "not_json", "value"),
        (b'{"profile_id": "\xff\xfe"}', "not_json", "value"),
        (b'{"x":' + b"[" * 100_000, "not_json", "value"),
        (None, "missing_field", "value"),
        (b" " * (MAX_REQUEST_BYTES + 1), "too_large", "value"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body, reason, field):
    found = refused(body)

    assert found[:2] == (reason, field)
    assert found[2].isprintable()
    assert len(found[2]) < 300


def test_an_unknown_filter_is_refused_with_those_that_there_are():
    _, _, message = refused(ada(filters={"in_stock": True}))

    assert message == "filters.in_stock is not known; allowed: exclude, only"


def test_a_k_out_of_range_is_told_with_the_range():
    assert refused(ada(k=1001))[2] == "k is 1001; allowed: 1 to 100"


def test_a_phone_becomes_the_profile_that_its_purchases_have():
    request = check({"phone": "+49 (123) 45-678"}, rules=PHONES)

    assert request.profile_id == PHONES.decoder.profile_of_phone("+4912345678")
    assert "12345678" not in request.profile_id


def test_no_phone_number_is_refused_and_not_repeated():
    reason, field, message = refused({"phone": "call me"}, rules=PHONES)

    assert (reason, field) == ("out_of_range", "phone")
    assert "call me" not in message


def test_the_brand_may_come_as_a_header():
    assert check(ada(), [("x-brand-id", b"acme")]).brand_id == "acme"


def test_the_brand_of_the_body_wins_over_the_header():
    assert check(ada(brand_id="zeta"), [("x-brand-id", b"acme")]).brand_id == "zeta"


@pytest.mark.parametrize("body", [ada(), ada(brand_id=""), ada(brand_id=None)])
def test_an_empty_brand_is_none(body):
    assert check(body, [("x-brand-id", b"")]).brand_id is None


def test_a_brand_header_that_is_no_text_is_refused():
    assert refused(ada(), [("x-brand-id", b"\xff")])[:2] == ("wrong_type", "x-brand-id")


def test_of_a_refused_body_what_leads_back_to_the_sender_is_salvaged():
    body = salvaged(b'{"profile_id": "ada", "k": "ten", "reply_topic": "r", "correlation_id": "7", "deadline_ms": 5}')

    assert (body.profile_id, body.reply_topic, body.correlation_id, body.deadline_ms) == ("ada", "r", "7", 5)


@pytest.mark.parametrize(
    "value", [None, b"", b"[]", b"\xff", b"[" * 100_000, b'{"reply_topic": 7, "deadline_ms": true}']
)
def test_of_what_can_not_be_read_nothing_is_salvaged(value):
    assert salvaged(value) == salvaged(b"{}")


@pytest.mark.parametrize(
    "value",
    [
        b'{"profile_id": "ada", "k": , "reply_topic": "r", "correlation_id": "7", "deadline_ms": 5}',
        b'{"profile_id":"ada","reply_topic" : "r","correlation_id":"7","deadline_ms":5, "x": "\xff"}',
        b'{"reply_topic":"r","correlation_id":"\\u0037","deadline_ms":5,"profile_id":"ada","k":5',
        b'{"profile_id":"ada","reply_topic":"r","correlation_id":"7","deadline_ms":5,"x":"'
        + b"x" * MAX_REQUEST_BYTES
        + b'"}',
    ],
)
def test_what_leads_back_to_the_sender_is_salvaged_from_broken_json_and_from_too_much_of_it(value):
    body = salvaged(value)

    assert (body.profile_id, body.reply_topic, body.correlation_id, body.deadline_ms) == ("ada", "r", "7", 5)


def test_a_field_that_is_cut_off_or_no_text_is_not_salvaged():
    assert salvaged(b'{"profile_id": "ad\xffa", "correlation_id": "q", "reply_topic": "rep') == Body(correlation_id="q")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_give_a_request_or_say_what_is_wrong(value):
    salvaged(value)
    with suppress(InvalidRecord):
        assert 1 <= RULES.check(read_body(value), {}).k <= 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from([*Body.__struct_fields__, "boosts"])


@given(st.dictionaries(FIELDS, JSON))
def test_any_values_of_the_fields_give_a_request_or_say_what_is_wrong(body):
    value = json.dumps(body).encode()

    salvaged(value)
    with suppress(InvalidRecord):
        assert 1 <= len(PHONES.check(read_body(value), {}).profile_id) <= 256
