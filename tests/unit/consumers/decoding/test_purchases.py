"""What may come on the purchases topic, what it means, and what is refused with which words."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import Settings
from consumers.decoding.event_types import DEFAULT_TYPES, PurchaseTypes
from consumers.decoding.fields import InvalidRecord
from consumers.decoding.purchases import MAX_EVENT_BYTES, OtherEvent, PurchaseDecoder
from model.purchases.changes import Forget, Purchase

NOW_S = 1_800_000_000
STORED_S = 1_700_000_000
DECODER = PurchaseDecoder(b"a key of sixteen", max_future_s=86_400)
PHONE = "+491701234567"


def order(**fields):
    return {"profile_id": "ada", "items": [{"product_id": "tea"}]} | fields


def decode(value, *, key=b"ada", headers=None, decoder=DECODER):
    raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    return decoder.decode(key, raw, headers or {}, STORED_S, NOW_S)


def refusal(value, **record):
    with pytest.raises(InvalidRecord) as refused:
        decode(value, **record)
    return refused.value.reason, refused.value.field


def with_item(text):
    return b'{"profile_id":"ada","items":[{"product_id":"tea",%s}]}' % text.encode()


# -- what is taken


def test_a_plain_purchase_is_read_with_all_its_fields():
    items = [{"product_id": "tea", "quantity": 2, "price": 4.5}, {"product_id": "pot"}]
    purchase = decode(order(event_id="o-1", brand_id="acme", occurred_at="2026-11-22T10:00:00Z", items=items))

    assert (purchase.profile, purchase.brand, purchase.event_id) == ("ada", "acme", "o-1")
    assert (purchase.time_s, purchase.products) == (1_795_341_600, ("tea", "pot"))
    assert purchase.prices[0] == 4.5
    assert math.isnan(purchase.prices[1])


def test_without_a_time_of_its_own_it_occurred_when_the_record_was_made():
    assert decode(order()).time_s == STORED_S


def test_without_any_time_it_occurred_now():
    assert DECODER.decode(b"ada", json.dumps(order()).encode(), {}, 0.0, NOW_S).time_s == NOW_S


def test_unknown_fields_are_ignored():
    assert decode(order(channel={"deep": [1, {"x": None}]}, items=[{"product_id": "tea", "colour": 3}])) == decode(
        order()
    )


@pytest.mark.parametrize(
    "written", ["2026-11-22T10:00:00Z", "2026-11-22t10:00:00z", "2026-11-22 11:00:00+01:00", "2026-11-22T10:00:00.99Z"]
)
def test_rfc_3339_times_are_read_in_all_their_forms(written):
    assert decode(order(occurred_at=written)).time_s == 1_795_341_600


def test_a_product_that_stands_twice_counts_once_at_the_last_price_that_was_said():
    items = [{"product_id": "tea", "price": 3}, {"product_id": "tea", "price": 4}, {"product_id": "tea"}]

    purchase = decode(order(items=items))

    assert (purchase.products, purchase.prices) == (("tea",), (4.0,))


def test_an_envelope_with_a_phone_takes_the_brand_from_the_header_and_keeps_no_number():
    envelope = {"event_type": "purchase", "payload": {"phone": PHONE, "items": [{"product_id": "tea"}]}}

    purchase = decode(envelope, headers={"x-brand-id": b"acme"})

    assert purchase.brand == "acme"
    assert purchase.profile.startswith("phone-")
    assert "1701234567" not in repr(purchase)


def test_an_envelope_completes_what_its_payload_leaves_out():
    payload = {"profile_id": "ada", "items": [{"product_id": "tea"}], "event_id": "inner"}

    purchase = decode({"event_type": "purchase", "event_id": "outer", "brand_id": "acme", "payload": payload})

    assert (purchase.event_id, purchase.brand) == ("inner", "acme")


@pytest.mark.parametrize("written", ["+491701234567", "00491701234567", "+49 (170) 123-45.67", "491701234567"])
def test_a_phone_number_is_the_same_customer_however_it_is_written(written):
    assert decode({"phone": written, "items": [{"product_id": "tea"}]}).profile == DECODER.profile_of_phone(PHONE)


def test_another_hash_key_makes_another_customer_of_the_same_phone():
    assert PurchaseDecoder(b"another sixteen!").profile_of_phone(PHONE) != DECODER.profile_of_phone(PHONE)


def test_a_structured_cloud_event_gives_its_data_its_time_and_an_id():
    cloud = {
        "specversion": "1.0",
        "id": "1",
        "source": "shop",
        "type": "com.shop.order.placed",
        "time": "2026-11-22T10:00:00Z",
    }
    headers = {"content-type": b"Application/CloudEvents+json; charset=UTF-8"}

    purchase = decode(cloud | {"data": order()}, headers=headers)

    assert (purchase.profile, purchase.time_s) == ("ada", 1_795_341_600)
    assert purchase.event_id.startswith("ce-")


def test_both_modes_of_a_cloud_event_have_the_same_event_id():
    structured = decode(
        {"id": "1", "source": "shop", "data": order()}, headers={"content-type": b"application/cloudevents+json"}
    )
    binary = decode(order(), headers={"ce_id": b"1", "ce_source": b"shop", "ce_specversion": b"1.0"})

    assert structured == binary


def test_a_cloud_event_without_an_id_is_not_taken_for_a_repeat():
    assert decode(order(), headers={"ce_id": b"", "ce_source": b"shop"}).event_id == ""


def test_the_events_own_id_and_time_win_over_the_cloud_events():
    headers = {"ce_id": b"1", "ce_source": b"shop", "ce_time": b"2020-01-01T00:00:00Z"}

    purchase = decode(order(event_id="o-1", occurred_at="2026-11-22T10:00:00Z"), headers=headers)

    assert (purchase.event_id, purchase.time_s) == ("o-1", 1_795_341_600)


def test_a_null_value_forgets_the_customer_of_the_key():
    assert decode(None, key=b"ada", headers={"ce_id": b"1"}) == Forget("ada")


@pytest.mark.parametrize("key", [b"+49 170 1234567", b"491701234567"])
def test_a_key_that_may_be_a_phone_forgets_the_customer_of_the_phone_too(key):
    assert decode(None, key=key) == Forget(key.decode(), DECODER.profile_of_phone(PHONE))


def test_a_key_that_reads_like_a_phone_is_only_an_id_where_phones_are_not_taken():
    assert decode(None, key=PHONE.encode(), decoder=PurchaseDecoder()) == Forget(PHONE)


# -- numbers and texts


@pytest.mark.parametrize("written", ["42", 42, 42.0])
def test_a_customer_is_the_same_one_however_the_id_is_written(written):
    assert decode(order(profile_id=written)).profile == "42"
    assert decode({"payload": {"profile_id": written, "items": [{"product_id": "tea"}]}}).profile == "42"


def test_numeric_ids_and_numbers_in_text_are_taken():
    items = [{"product_id": 7, "quantity": "2", "price": "4.50"}, {"product_id": 8.0, "price": " 1e1 "}]

    purchase = decode(order(event_id=12345678901234567890, brand_id=3, items=items))

    assert (purchase.products, purchase.prices) == (("7", "8"), (4.5, 10.0))
    assert (purchase.event_id, purchase.brand) == ("12345678901234567890", "3")


@pytest.mark.parametrize(
    "written",
    [1_795_341_600, 1_795_341_600_000, 1_795_341_600.5, "1795341600", "1795341600000", " 1795341600.25 "],
)
def test_a_time_may_be_a_number_of_seconds_or_milliseconds(written):
    assert decode(order(occurred_at=written)).time_s == 1_795_341_600


# -- times that can not be


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        (2026, "a year"),
        ("2026", "a year"),
        (46_000, "the number of a day"),
        (20_500, "the number of a day"),
        (20261122, "a date without dashes"),
        ("20261122", "a date without dashes"),
        (202611221000, "a date without dashes"),
        ("20261122100000", "a date without dashes"),
        (1_795_341_600_000_000, "microseconds"),
        (1_795_341_600_000_000_000, "nanoseconds"),
        (0, "an empty time"),
        ("0001-01-01T00:00:00Z", "an empty time"),
        ("1970-01-01T00:00:00Z", "an empty time"),
        ("1970-01-21T18:42:21Z", "seconds where milliseconds belong"),
        ("1994-12-31T23:59:59Z", "earliest_purchase_year"),
        ("2099-01-01T00:00:00Z", "max_future_s"),
    ],
)
def test_a_time_that_can_not_be_is_refused_with_its_likely_cause(written, cause):
    with pytest.raises(InvalidRecord, match=cause) as refused:
        decode(order(occurred_at=written))

    assert (refused.value.reason, refused.value.field) == ("out_of_range", "occurred_at")


@pytest.mark.parametrize(
    ("timestamp_ms", "cause"),
    [(NOW_S, "seconds where milliseconds"), (NOW_S * 10**6, "microseconds"), (5, "before 1995")],
)
def test_a_record_timestamp_in_another_unit_is_refused_with_its_likely_cause(timestamp_ms, cause):
    with pytest.raises(InvalidRecord, match=cause) as refused:
        DECODER.decode(b"ada", json.dumps(order()).encode(), {}, timestamp_ms / 1000, NOW_S)

    assert (refused.value.reason, refused.value.field) == ("out_of_range", "timestamp")


def test_a_record_timestamp_does_not_matter_where_the_event_says_when_it_occurred():
    value = json.dumps(order(occurred_at="2026-11-22T10:00:00Z")).encode()

    assert DECODER.decode(b"ada", value, {}, NOW_S / 1000, NOW_S).time_s == 1_795_341_600


def test_the_earliest_year_is_a_setting():
    old = order(occurred_at="1980-01-01T00:00:00Z")

    assert decode(old, decoder=PurchaseDecoder(earliest_s=0)).time_s == 315_532_800


# -- events that are no purchases


def cloud_event(event_type, mode, **data):
    """A CloudEvent with an order in it, and its headers."""
    if mode == "binary":
        return order(**data), {"ce_id": b"1", "ce_source": b"/shop", "ce_type": event_type.encode()}
    headers = {} if mode == "no header" else {"content-type": b"application/cloudevents+json"}
    cloud = {"specversion": "1.0", "id": "1", "source": "/shop", "type": event_type, "data": order(**data)}
    return cloud, headers


MODES = pytest.mark.parametrize("mode", ["structured", "binary", "no header"])


@MODES
@pytest.mark.parametrize("event_type", ["com.shop.order.cancelled", "com.shop.order.refunded", "x", "cart.updated"])
def test_a_cloud_event_of_another_type_is_no_purchase(event_type, mode):
    cloud, headers = cloud_event(event_type, mode)
    with pytest.raises(OtherEvent) as other:
        decode(cloud, headers=headers)

    assert (other.value.event_type, other.value.reason) == (event_type, "wrong_event_type")


@MODES
@pytest.mark.parametrize("event_type", ["com.shop.order.placed", "purchase", "com.shop.OrderPaid.v2"])
def test_a_cloud_event_that_reads_as_a_purchase_is_one(event_type, mode):
    cloud, headers = cloud_event(event_type, mode)

    assert decode(cloud, headers=headers).profile == "ada"


def test_a_type_header_without_an_id_is_looked_at_too():
    with pytest.raises(OtherEvent):
        decode(order(), headers={"ce_type": b"order.cancelled"})


@pytest.mark.parametrize(
    "fields",
    [
        {"event_type": "refund"},
        {"event_type": "order.cancelled"},
        {"eventType": "OrderCancelled"},
        {"type": "refund"},
        {"status": "cancelled"},
        {"status": "RETURNED"},
        {"event": "payment_failed"},
    ],
)
def test_a_plain_event_that_says_it_is_something_else_is_no_purchase(fields):
    plain, wrapped = order(occurred_at="2026-11-22T10:00:00Z", **fields), {**fields, "payload": order()}
    for value in (plain, wrapped, {"payload": order(**fields)}):
        with pytest.raises(OtherEvent):
            decode(value)


@pytest.mark.parametrize(
    "fields",
    [{"items": [{"sku": 1}]}, {"items": None, "profile_id": None}, {"profile_id": [1]}, {"occurred_at": "soon"}],
)
def test_what_is_no_purchase_need_not_look_like_one(fields):
    for headers in ({}, {"ce_id": b"1", "ce_source": b"/shop", "ce_type": b"page.viewed"}):
        with pytest.raises(OtherEvent):
            decode(order(event_type="page_view", **fields), headers=headers)


@pytest.mark.parametrize("fields", [{"status": "paid"}, {"type": "online"}, {"event_type": None}, {"event": 5}])
def test_other_words_under_these_names_make_no_difference(fields):
    assert decode(order(**fields)) == decode(order())


def test_which_types_are_purchases_can_be_set():
    decoder = PurchaseDecoder(types=PurchaseTypes(("com.acme.sold",)))
    cloud, headers = cloud_event("com.acme.sold", "structured")

    assert decode(cloud, headers=headers, decoder=decoder).profile == "ada"
    assert decode(order(event_type="purchase"), decoder=decoder).profile == "ada"
    with pytest.raises(OtherEvent):
        decode(*[cloud_event("order.placed", "structured")[0]], headers=headers, decoder=decoder)


def test_a_type_that_may_be_a_phone_number_is_not_shown():
    with pytest.raises(OtherEvent) as other:
        decode(order(event_type="call 0170 1234567"))

    assert other.value.event_type == "other"


def test_the_decoder_alone_takes_what_the_settings_take():
    assert Settings().purchase_types == DEFAULT_TYPES


# -- what is refused


@pytest.mark.parametrize(
    ("behind", "named"), [(b'{"profile_id":"ada"}', "JSON behind it"), (b"\x06ada", "Avro or Protobuf")]
)
def test_the_framing_of_a_schema_registry_is_named(behind, named):
    with pytest.raises(InvalidRecord, match=f"five-byte framing .*schema id 42.*{named}") as refused:
        decode(b"\x00\x00\x00\x00\x2a" + behind)

    assert refused.value.reason == "not_json"


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"profile_id": "ada"}'.encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08", "gzip"),
        (json.dumps(json.dumps(order())).encode(), "serialised twice"),
        (json.dumps({"phone": 491701234567, "items": [{"product_id": "tea"}]}).encode(), "leading zero"),
    ],
)
def test_a_likely_cause_is_named_with_its_remedy(value, cause):
    with pytest.raises(InvalidRecord, match=cause):
        decode(value)


@pytest.mark.parametrize("key", [b"\x00\x00\x00\x00\x2a", b"\x00" * 7 + b"*", b"\x00\x00\x00\x00\x01c-42"])
def test_a_key_in_binary_forgets_nobody_and_is_named(key):
    with pytest.raises(InvalidRecord, match="key is no text: it begins with"):
        decode(None, key=key)


@pytest.mark.parametrize("key", [None, b""])
def test_a_null_value_without_a_key_forgets_nobody(key):
    assert refusal(None, key=key) == ("missing_field", "key")


def test_a_key_that_is_no_text_forgets_nobody():
    assert refusal(None, key=b"\xff") == ("wrong_type", "key")


@pytest.mark.parametrize(
    "value", [b"", b"tea", b"{", b"\xff\xfe", b'{"profile_id":"\xff"}', b"\xef\xbb\xbf{}", b"{}{}"]
)
def test_what_is_no_json_is_refused(value):
    assert refusal(value) == ("not_json", "value")


@pytest.mark.parametrize("value", [b"null", b"[]", b"1", b'"tea"', b"true"])
def test_json_that_is_no_object_is_refused(value):
    assert refusal(value) == ("wrong_type", "value")


@pytest.mark.parametrize("opening", ["[", '{"x":'])
def test_nesting_beyond_all_measure_is_refused(opening):
    assert refusal(b'{"x":' + opening.encode() * 100_000) == ("not_json", "value")


def test_a_record_that_is_too_large_is_refused_with_both_sizes():
    with pytest.raises(InvalidRecord, match=f"has {MAX_EVENT_BYTES + 1} bytes, {MAX_EVENT_BYTES} are taken") as refused:
        decode(b" " * (MAX_EVENT_BYTES + 1))

    assert refused.value.reason == "too_large"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"profile_id": True}, ("wrong_type", "profile_id")),
        ({"profile_id": 42.5}, ("wrong_type", "profile_id")),
        ({"profile_id": -1}, ("wrong_type", "profile_id")),
        ({"profile_id": 1e300}, ("wrong_type", "profile_id")),
        ({"event_id": 0.5}, ("wrong_type", "event_id")),
        ({"brand_id": False}, ("wrong_type", "brand_id")),
        ({"profile_id": None}, ("missing_field", "profile_id")),
        ({"profile_id": ""}, ("missing_field", "profile_id")),
        ({"profile_id": "a" * 10_000}, ("out_of_range", "profile_id")),
        ({"profile_id": "a\x00b"}, ("out_of_range", "profile_id")),
        ({"event_id": "a\u2028b"}, ("out_of_range", "event_id")),
        ({"brand_id": "a\nb"}, ("out_of_range", "brand_id")),
        ({"event_type": "refund"}, ("wrong_event_type", "event_type")),
        ({"items": None}, ("missing_field", "items")),
        ({"items": []}, ("missing_field", "items")),
        ({"items": "tea"}, ("wrong_type", "items")),
        ({"items": [{}]}, ("missing_field", "items[0].product_id")),
        ({"items": [{"product_id": "tea"}, {"product_id": ""}]}, ("missing_field", "items[1].product_id")),
        ({"items": [{"product_id": "x" * 10_000}]}, ("out_of_range", "items[0].product_id")),
        ({"items": [{"product_id": "\x7f"}]}, ("out_of_range", "items[0].product_id")),
        ({"items": [{"product_id": 5.5}]}, ("wrong_type", "items[0].product_id")),
        ({"items": [{"product_id": [5]}]}, ("wrong_type", "items[0].product_id")),
        ({"items": [{"product_id": "tea", "price": "4,50"}]}, ("wrong_type", "items[0].price")),
        ({"items": [{"product_id": "tea", "price": "€ 4.50"}]}, ("wrong_type", "items[0].price")),
        ({"items": [{"product_id": "tea", "price": "-1"}]}, ("out_of_range", "items[0].price")),
        ({"items": [{"product_id": "tea", "quantity": "0"}]}, ("out_of_range", "items[0].quantity")),
        ({"items": [{"product_id": "tea", "quantity": "1e999"}]}, ("out_of_range", "items[0].quantity")),
        ({"items": [{"product_id": str(n)} for n in range(10_001)]}, ("out_of_range", "items")),
        ({"occurred_at": "9999-12-31T23:59:59Z"}, ("out_of_range", "occurred_at")),
        ({"occurred_at": "1969-12-31T23:59:59Z"}, ("out_of_range", "occurred_at")),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, ("out_of_range", "occurred_at")),
        ({"occurred_at": "2026-11-22"}, ("out_of_range", "occurred_at")),
        ({"occurred_at": "2026-W47-7T10:00:00"}, ("out_of_range", "occurred_at")),
        ({"occurred_at": "yesterday"}, ("out_of_range", "occurred_at")),
        ({"occurred_at": True}, ("wrong_type", "occurred_at")),
        ({"occurred_at": 10**400}, ("out_of_range", "occurred_at")),
        ({"items": None, "payload": 5}, ("wrong_type", "payload")),
        ({"items": None, "payload": {"items": [{"product_id": [5]}]}}, ("wrong_type", "payload.items[0].product_id")),
    ],
)
def test_a_field_that_can_not_be_used_is_named(fields, expected):
    assert refusal(order(**fields)) == expected


@pytest.mark.parametrize("number", ["1e999", "-1e999", "-1", "-0.5", "1" + "0" * 400, "1e13"])
def test_prices_out_of_range_are_refused(number):
    assert refusal(with_item(f'"price":{number}')) == ("out_of_range", "items[0].price")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "-1", "0", "1e-999"])
def test_quantities_out_of_range_are_refused(number):
    assert refusal(with_item(f'"quantity":{number}')) == ("out_of_range", "items[0].quantity")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", '"NaN"', "true", "[]"])
@pytest.mark.parametrize("field", ["quantity", "price"])
def test_what_is_no_number_is_refused_as_quantity_and_as_price(field, number):
    assert refusal(with_item(f'"{field}":{number}'))[0] in ("not_json", "wrong_type")


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00x", "\\ud83d"])
def test_half_a_surrogate_pair_is_refused(text):
    assert refusal(b'{"profile_id":"%s","items":[{"product_id":"tea"}]}' % text.encode()) == ("not_json", "value")


@pytest.mark.parametrize("header", ["x-brand-id", "ce_id", "ce_source", "ce_time"])
def test_a_header_that_is_no_utf_8_is_named(header):
    headers = {"ce_id": b"1", "ce_source": b"shop"} if header.startswith("ce_") else {}

    assert refusal(order(), headers=headers | {header: b"\xff"}) == ("wrong_type", header)


def test_a_null_brand_header_is_no_brand():
    assert decode(order(), headers={"x-brand-id": b""}).brand == ""


@pytest.mark.parametrize("cloud", [{"source": "shop", "data": order()}, {"id": "1", "data": order()}, {"id": "1"}])
def test_a_structured_cloud_event_needs_id_source_and_data(cloud):
    assert refusal(cloud, headers={"content-type": b"application/cloudevents+json"})[0] == "missing_field"


def test_a_fault_inside_a_cloud_event_is_named_where_it_stands():
    cloud = {"id": "1", "source": "shop", "data": order(profile_id=[5])}

    assert refusal(cloud, headers={"content-type": b"application/cloudevents+json"}) == (
        "wrong_type",
        "data.profile_id",
    )


def test_a_phone_without_a_hash_key_says_which_setting_is_missing():
    with pytest.raises(InvalidRecord, match="the setting phone_hash_key is not"):
        decode({"phone": PHONE, "items": [{"product_id": "tea"}]}, decoder=PurchaseDecoder())


def test_a_record_timestamp_that_lies_in_the_future_is_named_as_such():
    with pytest.raises(InvalidRecord, match="timestamp lies more than 86400 s in the future"):
        DECODER.decode(b"ada", json.dumps(order()).encode(), {}, NOW_S + 86_401, NOW_S)


@pytest.mark.parametrize(
    "record",
    [
        {"phone": "0170-SECRET", "items": [{"product_id": "tea"}]},
        {"phone": ["SECRET"], "items": [{"product_id": "tea"}]},
        order(profile_id="SECRET\x00"),
        order(occurred_at="SECRET"),
        order(items=[{"product_id": "SECRET\x00"}]),
        order(items=[{"product_id": "tea", "price": "SECRET"}]),
        order(event_type="SECRET"),
        {"payload": {"profile_id": {"SECRET": 1}}},
        {"payload": "SECRET"},
        b'{"profile_id":"SECRET',
        b'{"SECRET":NaN}',
    ],
)
def test_no_message_repeats_what_stands_in_the_record(record):
    with pytest.raises(InvalidRecord) as refused:
        decode(record)

    assert "SECRET" not in f"{refused.value} {refused.value.field} {refused.value.reason}"


# -- properties

fields = (
    "profile_id phone event_id brand_id occurred_at items payload event_type id source data product_id quantity price "
    "x type status specversion"
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(fields.split()), inner, max_size=4),
    max_leaves=12,
)
any_headers = st.dictionaries(
    st.sampled_from(["content-type", "ce_id", "ce_source", "ce_time", "x-brand-id"]),
    st.binary(max_size=12) | st.just(b"application/cloudevents+json"),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()),
    headers=any_headers,
    timestamp_s=st.floats(0, 2**34),
)
def test_any_bytes_are_a_purchase_or_a_wish_to_be_forgotten_or_are_refused(key, value, headers, timestamp_s):
    try:
        result = DECODER.decode(key, value, headers, timestamp_s, NOW_S)
    except InvalidRecord as refused:
        result = refused

    assert isinstance(result, InvalidRecord | (Forget if value is None else Purchase))


ids = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=256)


@settings(max_examples=100, deadline=None)
@given(
    profile=ids,
    brand=st.just("") | ids,
    event=st.just("") | ids,
    time_s=st.integers(800_000_000, NOW_S),
    lines=st.dictionaries(ids, st.floats(0, 1e12), min_size=1, max_size=5),
)
def test_a_valid_purchase_is_read_as_it_was_written(profile, brand, event, time_s, lines):
    items = [{"product_id": product, "price": price} for product, price in lines.items()]
    fields = {"profile_id": profile, "items": items, "brand_id": brand, "event_id": event}

    purchase = DECODER.decode(None, json.dumps(fields).encode(), {}, time_s, NOW_S)

    assert purchase == Purchase(profile, brand, time_s, tuple(lines), tuple(lines.values()), event)
