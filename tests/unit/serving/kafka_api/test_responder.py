"""From request records to reply records: what is answered, what is an error reply, a dead letter, or dropped."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.dead_letters import DeadLetter
from consumers.kafka.records import Record
from consumers.loop.answering import Reply
from model.catalogue.product import Product
from model.purchases.changes import LogRecord, Purchase
from serving.kafka_api.reply_addresses import ReplyTopics
from serving.kafka_api.responder import KafkaResponder, Ownership
from serving.protocol.request_body import RequestRules
from tests.builders.small_shop import SmallShop

NOW_MS = 1_700_000_100_000
SPRING = (("kafka_correlationId", bytes(range(240, 256))), ("kafka_replyTopic", b"replies"))
NEST = (("kafka_correlationId", b"7f3a"), ("kafka_replyTopic", b"replies"), ("kafka_replyPartition", b"2"))


class Clock:
    def __init__(self):
        self.now_s = NOW_MS / 1000

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def elsewhere():
    """Keys of customers whose purchases another worker has."""
    return {b"stranger"}


@pytest.fixture
def responder(shop: SmallShop, clock, elsewhere):
    return KafkaResponder(
        recommender=shop.recommender,
        rules=RequestRules(default_k=3, max_k=100, decoder=PurchaseDecoder()),
        addresses=ReplyTopics("replies", lambda topic: topic == "replies", lambda _: 6),
        ownership=Ownership(
            lambda key: 5 if key in elsewhere else 0, lambda partition: partition == 0, lambda p: 42 - p
        ),
        metrics=shop.metrics,
        products=shop.store.products(),
        price=shop.store.price_of,
        max_age_ms=10_000,
        error_header="error",
        now_s=clock,
    )


def request(body=None, headers=(), *, key: bytes | None = b"ada", partition=0, timestamp_ms=NOW_MS - 5, **fields):
    value = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    if fields:
        value = json.dumps({"profile_id": "ada"} | fields).encode()
    return Record("requests", partition, 7, key, value, tuple(headers), timestamp_ms)


def metrics(shop):
    lines = generate_latest(shop.metrics.registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def read(reply):
    assert isinstance(reply, Reply)
    return json.loads(reply.value)


def test_a_reply_is_what_the_documentation_says(shop, responder):
    shop.buy("ada", "tea")

    (reply,) = responder.respond([request(k=1, filters={"only": ["kettle"]})])
    body = read(reply)

    assert body == {
        "profile_id": "ada",
        "recommendation_id": body["recommendation_id"],
        "kind": "recs",
        "recommendations": [
            {
                "product_id": "kettle",
                "brand_id": None,
                "title": 'Kettle "Ünique" <5 l>',
                "category": "kitchen",
                "price": 20.0,
                "score": body["recommendations"][0]["score"],
                "kind": "recs",
                "strategy": "item2vec",
                "because": ["tea"],
            }
        ],
        "shortfall": None,
        "model_version": shop.models.live[""].version,
        "timestamp": "2023-11-14T22:15:00.000Z",
        "degraded": None,
        "variant": "control",
        "watermark": {"partition": 0, "offset": 41},
    }
    assert (reply.topic, reply.partition, reply.key) == ("replies", -1, b"ada")
    assert reply.headers == [("content-type", b"application/json")]


def test_every_reply_has_an_id_of_its_own(responder):
    replies = [read(reply) for reply in responder.respond([request(k=1)] * 20)]

    assert len({reply["recommendation_id"] for reply in replies}) == 20
    assert {len(reply["recommendation_id"]) for reply in replies} == {32}


def test_replies_keep_the_order_of_their_requests(responder):
    records = [request({"profile_id": f"p-{number}"}, key=b"p") for number in range(10)]

    assert [read(reply)["profile_id"] for reply in responder.respond(records)] == [f"p-{n}" for n in range(10)]


def test_ids_come_back_as_they_were_whatever_letters_they_have(shop, responder):
    profile, product = 'Zoë "the\\cat" 日本', 'thé/"vert" ☕'
    for number in range(3):
        shop.buy(f"fan-{number}", product)

    (reply,) = responder.respond([request({"profile_id": profile, "filters": {"only": [product]}})])

    assert read(reply)["profile_id"] == profile
    assert [item["product_id"] for item in read(reply)["recommendations"]] == [product]


def test_a_branded_product_says_its_brand_and_the_price_paid_last(shop, responder):
    shop.buy("bea", "mug", brand="acme")

    (reply,) = responder.respond([request({"profile_id": "bea", "brand_id": "acme", "k": 2}, key=b"bea")])

    assert {(item["brand_id"], item["price"]) for item in read(reply)["recommendations"]} == {("acme", 2.5)}


def test_the_correlation_of_the_headers_is_echoed_and_that_of_the_body_in_the_body(responder):
    of_headers, of_body = responder.respond([request(headers=SPRING, k=1), request(k=1, correlation_id="q-1")])

    assert SPRING[0] in of_headers.headers
    assert "correlation_id" not in read(of_headers)
    assert read(of_body)["correlation_id"] == "q-1"


# -- shortfall


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"filters": {"only": ["tea"]}}, "filters.only leaves no more"),
        ({"k": 100}, "no more products that this customer may be shown"),
        ({"k": 100, "exclude_purchased": False}, "no more products"),
        ({"k": 100, "brand_id": "acme"}, "no more products of this brand that this customer may be shown"),
    ],
)
def test_a_shortfall_says_how_much_and_why(shop, responder, fields, why):
    shop.buy("ada", "tea")

    (reply,) = responder.respond([request(**({"k": 9} | fields))])
    body = read(reply)

    assert body["shortfall"] == {
        "asked": fields.get("k", 9), "given": len(body["recommendations"]), "why": why,
    }  # fmt: skip


# -- too late


@pytest.mark.parametrize(
    ("headers", "fields", "timestamp_ms"),
    [
        ([("deadline_ms", b"%d" % (NOW_MS - 1))], {}, NOW_MS),
        ([], {"deadline_ms": NOW_MS - 1}, NOW_MS),
        ([], {}, NOW_MS - 10_001),
        ([("deadline_ms", b"soon")], {}, NOW_MS - 10_001),
        ([("deadline_ms", b"-5")], {}, NOW_MS - 10_001),
        ([], {"deadline_ms": -5}, NOW_MS - 10_001),
        ([], {"k": 0}, NOW_MS - 10_001),
        ([], {"k": "ten", "deadline_ms": NOW_MS - 1}, NOW_MS),
    ],
)
def test_what_comes_too_late_is_dropped_and_counted(shop, responder, headers, fields, timestamp_ms):
    outgoing = responder.respond([request(headers=headers, timestamp_ms=timestamp_ms, **({"k": 1} | fields))])

    assert outgoing == []
    assert metrics(shop)["alsobought_requests_expired_total"] == 1


@pytest.mark.parametrize(
    ("headers", "fields", "timestamp_ms"),
    [
        ([("deadline_ms", b"%d" % NOW_MS)], {}, NOW_MS - 60_000),
        ([], {"deadline_ms": NOW_MS + 1}, NOW_MS - 60_000),
        ([("deadline_ms", b"%d" % (NOW_MS + 9))], {"deadline_ms": 1}, NOW_MS),
        ([("deadline_ms", b"")], {}, NOW_MS),
        ([], {"deadline_ms": str(NOW_MS + 1)}, NOW_MS - 60_000),
        ([], {}, NOW_MS + 3_600_000),
        ([], {}, NOW_MS // 1000),
        ([], {}, 0),
        ([], {}, -1),
    ],
)
def test_what_is_in_time_is_answered_whatever_the_clocks_say(shop, responder, headers, fields, timestamp_ms):
    record = request(headers=headers, timestamp_ms=timestamp_ms, k=1, **fields)
    (reply,) = responder.respond([record])

    assert responder.deadlines_ms([record])[0] >= NOW_MS
    assert len(read(reply)["recommendations"]) == 1
    assert metrics(shop)["alsobought_requests_expired_total"] == 0


@pytest.mark.parametrize(
    ("headers", "fields", "deadline_ms"),
    [
        ([("deadline_ms", b"%d" % NOW_MS)], {"deadline_ms": 1}, NOW_MS),
        ([], {"k": 1}, NOW_MS - 5 + 10_000),
        ([], {"deadline_ms": NOW_MS}, math.inf),
    ],
)
def test_a_deadline_is_known_before_the_request_is_decoded_unless_only_its_body_names_it(
    responder, headers, fields, deadline_ms
):
    assert responder.deadlines_ms([request(headers=headers, **fields)]) == [deadline_ms]


def test_a_deadline_that_passes_while_the_batch_is_worked_on_is_kept(shop, responder, clock, monkeypatch):
    answer = shop.recommender.answer

    def slow(requests):
        clock.now_s += 3
        return answer(requests)

    monkeypatch.setattr(shop.recommender, "answer", slow)
    short, long = (request(headers=[("deadline_ms", b"%d" % (NOW_MS + ms))], k=1) for ms in (2000, 4000))

    assert len(responder.respond([short, long])) == 1
    assert metrics(shop)["alsobought_requests_expired_total"] == 1


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (NOW_MS // 1000, f"seconds since 1970: send milliseconds ({NOW_MS})"),
        (5_000, "a span of time"),
        (NOW_MS * 1000, "micro- or nanoseconds"),
        (0, "send milliseconds since 1970"),
        (-5, "send milliseconds since 1970"),
        (10**200, "far out of range"),
        ("soon", "is no whole number"),
        ("\x00\x00\x01\x8b\xcf", "is no whole number"),
    ],
)
def test_a_deadline_that_is_no_moment_is_an_error_that_names_it(responder, said, cause):
    header = ("deadline_ms", str(said).encode("latin-1"))
    replies = responder.respond([request(headers=[*SPRING, header], k=1), request(headers=SPRING, deadline_ms=said)])

    for error in [read(reply)["error"] for reply in replies]:
        assert (error["code"], error["field"]) == ("out_of_range", "deadline_ms")
        assert cause in error["message"]
    assert len(replies) == 2


@pytest.mark.parametrize(
    ("timestamp_ms", "wrong"), [(NOW_MS - 3_600_000, "behind"), (NOW_MS + 3_600_000, "ahead"), (NOW_MS - 50, None)]
)
def test_a_wrong_clock_does_not_get_into_the_latency(shop, responder, timestamp_ms, wrong):
    deadline = ("deadline_ms", b"%d" % (NOW_MS + 1000))
    responder.respond([request(headers=[deadline], k=1, timestamp_ms=timestamp_ms)])
    found = metrics(shop)

    assert found["alsobought_request_seconds_count"] == (0 if wrong else 1)
    for name in ("behind", "ahead"):
        assert found[f'alsobought_requests_wrong_clock_total{{clock="{name}"}}'] == (name == wrong)


# -- what is not known


def test_fields_that_are_not_known_are_an_error_or_named_in_the_reply(responder):
    (reply,) = responder.respond([request(k=1, boosts={"tea": 2}, headers=SPRING)])
    responder.rules = replace(responder.rules, unknown_fields="ignore")
    ignoring, plain = responder.respond([request(k=1, boosts={"tea": 2}), request(k=1)])

    assert (read(reply)["error"]["code"], read(reply)["error"]["field"]) == ("unknown_field", "boosts")
    assert read(ignoring)["ignored"] == ["boosts"]
    assert "ignored" not in read(plain)


@pytest.mark.parametrize("correlation", [7, 0, "7"])
def test_a_correlation_id_of_the_body_comes_back_as_it_was(responder, correlation):
    good, bad = responder.respond(
        [request(k=1, correlation_id=correlation), request(k=0, correlation_id=correlation, reply_topic="replies")]
    )

    assert [read(reply)["correlation_id"] for reply in (good, bad)] == [correlation, correlation]


def test_a_price_is_shown_as_it_was_paid(shop, responder):
    offset = shop.store.next_offset(0)
    shop.store.apply([LogRecord(0, offset, Purchase("ben", "", NOW_MS // 1000, ("bun",), (2.08,)))])

    (reply,) = responder.respond([request(filters={"only": ["bun"]})])

    assert [item["price"] for item in read(reply)["recommendations"]] == [2.08]


# -- what can not be read


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        (request({"profile_id": "ada", "k": 0}, SPRING), "out_of_range", "k"),
        (request({"profile_id": "ada", "k": 0, "reply_topic": "replies"}), "out_of_range", "k"),
        (request({"profile_id": "ada", "k": "ten", "reply_topic": "replies"}), "wrong_type", "k"),
        (request(b"not JSON", SPRING), "not_json", "value"),
        (request(None, SPRING), "missing_field", "value"),
    ],
)
def test_an_error_goes_where_the_request_says_its_reply_should_go(shop, responder, asked, code, field):
    (reply,) = responder.respond([asked])
    said = read(reply)

    assert set(said) == {"error", "profile_id", "timestamp"}
    assert (said["error"]["code"], said["error"]["field"]) == (code, field)
    assert said["profile_id"] == ("ada" if b"ada" in (asked.value or b"") else None)
    assert ("error", code.encode()) in reply.headers
    assert (reply.topic, reply.key) == ("replies", b"ada")
    assert metrics(shop)[f'alsobought_error_replies_total{{code="{code}"}}'] == 1


def test_an_error_carries_the_correlation_back(responder):
    of_headers, of_body = responder.respond(
        [request({"k": 1}, SPRING), request({"reply_topic": "replies", "correlation_id": "q-9"})]
    )

    assert SPRING[0] in of_headers.headers
    assert read(of_body)["correlation_id"] == "q-9"


def test_nestjs_gets_the_error_that_it_throws(responder):
    (reply,) = responder.respond([request({"profile_id": "ada", "k": 0}, NEST)])
    headers = dict(reply.headers)

    assert json.loads(headers["kafka_nest-err"]) == read(reply)["error"]
    assert (headers["kafka_nest-is-disposed"], reply.partition) == (b"\x00", 2)


def test_springs_error_has_no_nestjs_headers(responder):
    (reply,) = responder.respond([request({"profile_id": "ada", "k": 0}, SPRING)])

    assert not [name for name, _ in reply.headers if "nest" in name]


@pytest.mark.parametrize("body", [{"profile_id": "ada", "k": 0}, {"k": "ten"}, b"\xff", None, b"x" * 300_000])
def test_the_error_goes_to_the_default_topic_where_no_other_is_named(responder, body):
    bad, good = responder.respond([request(k=1), request(body)])

    assert (bad.topic, bad.partition, bad.key) == (good.topic, good.partition, good.key) == ("replies", -1, b"ada")
    assert dict(bad.headers)["error"].decode() == read(bad)["error"]["code"]
    assert read(bad)["error"]["message"].isprintable()


def test_the_error_of_broken_json_goes_where_the_body_says_and_carries_its_correlation(responder):
    (reply,) = responder.respond([request(b'{"profile_id":"ada","correlation_id":"q-1","reply_topic":"replies","k":}')])
    body = read(reply)

    assert (body["error"]["code"], body["profile_id"], body["correlation_id"]) == ("not_json", "ada", "q-1")


@pytest.mark.parametrize("body", [{"profile_id": "ada", "k": 0}, b"{no json", None])
@pytest.mark.parametrize("partitions", [0, 6])
def test_a_bad_request_is_a_dead_letter_only_where_there_is_no_topic_for_its_answer(responder, body, partitions):
    allowed = partitions == 0  # the default topic is not there, or the setting reply_topics leaves it out
    responder.addresses = ReplyTopics("replies", lambda _: allowed, lambda _: partitions)
    record = request(body)

    (letter,) = responder.respond([record])

    assert isinstance(letter, DeadLetter)
    assert (letter.record, letter.reason) == (record, "reply_topic")


@pytest.mark.parametrize("topic", [b"purchases", b"\xff", b"recommendation-models"])
def test_a_reply_topic_that_is_not_allowed_is_a_dead_letter(responder, topic):
    (letter,) = responder.respond([request(headers=[("kafka_replyTopic", topic)], k=1)])

    assert (type(letter), letter.reason) == (DeadLetter, "reply_topic")


def test_one_bad_request_does_not_cost_the_others_their_answers(responder):
    outgoing = responder.respond([request(k=1), request(b"{"), request(k=0), request(k=2)])

    assert sorted(type(out).__name__ for out in outgoing) == ["Reply"] * 4
    assert ["error" in read(out) for out in outgoing] == [True, True, False, False]


# -- whose customer it is


def test_a_new_customer_of_another_workers_partition_is_told_how_to_send(shop, responder):
    (reply,) = responder.respond([request({"profile_id": "stranger"}, key=b"stranger", partition=3)])
    error = read(reply)["error"]

    assert (error["code"], error["field"]) == ("wrong_partition", "key")
    assert "partition 3" in error["message"]
    assert metrics(shop)['alsobought_error_replies_total{code="wrong_partition"}'] == 1


def test_a_customer_known_here_is_answered_wherever_the_key_belongs(shop, responder, elsewhere):
    shop.buy("ada", "tea")
    elsewhere.add(b"session-7")

    (reply,) = responder.respond([request(k=1, key=b"session-7", partition=2)])

    assert read(reply)["watermark"] == {"partition": 2, "offset": 39}


def test_without_a_key_the_profile_tells_the_partition(responder):
    (reply,) = responder.respond([request({"profile_id": "stranger"}, key=None)])

    assert read(reply)["error"]["code"] == "wrong_partition"


def test_the_watermark_is_of_the_partition_that_brings_the_customers_purchases(responder):
    (reply,) = responder.respond([request(k=1, partition=4)])

    assert read(reply)["watermark"] == {"partition": 0, "offset": 41}


# -- metrics


def test_answers_are_counted_by_what_they_are_made_of(shop, responder):
    shop.buy("ada", "tea")

    responder.respond([request(k=2), request({"profile_id": "new"}), request(kind="popular"), request(k=1)])
    found = metrics(shop)

    assert found['alsobought_answers_total{degraded="none",strategy="item2vec"}'] == 2
    assert found['alsobought_answers_total{degraded="new_customer",strategy="popular"}'] == 1
    assert found['alsobought_answers_total{degraded="none",strategy="popular"}'] == 1
    assert found["alsobought_request_seconds_count"] == 4
    assert found["alsobought_catalogue_recommended_ratio"] > 0


def test_no_customer_and_no_product_is_in_a_metric(shop, responder):
    shop.put_in_catalogue(Product("", "secret-product", title="Secret"))
    responder.respond([request({"profile_id": "secret-ada"}), request({"profile_id": "secret-ada", "k": 0}, SPRING)])

    assert "secret" not in generate_latest(shop.metrics.registry).decode()


# -- whatever comes

HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "kafka_correlationId",
                "kafka_replyTopic",
                "kafka_replyPartition",
                "REPLY_TOPIC",
                "deadline_ms",
                "x-brand-id",
            ]
        ),
        st.binary(max_size=20) | st.sampled_from([b"replies", b"5", b"\x00\x00\x00\x01"]),
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(
    value=st.none()
    | st.binary(max_size=60)
    | st.sampled_from([b'{"profile_id":"ada"}', b'{"profile_id":"c-1","k":0}']),
    headers=HEADERS,
    key=st.none() | st.binary(max_size=5),
    timestamp_ms=st.integers(-(2**40), 2**45),
)
def test_no_record_can_stop_the_responder(responder, value, headers, key, timestamp_ms):
    outgoing = responder.respond([Record("requests", 0, 1, key, value, tuple(headers), timestamp_ms)])

    assert len(outgoing) <= 1
