"""Where a reply goes and which headers it carries, in the shapes of those who ask."""

import pytest

from config.settings import matches_topic
from serving.kafka_api.reply_addresses import NEST_DISPOSED, AddressRefused, ReplyTopics

UUID_BYTES = bytes.fromhex("ff00c3a92b7e48d1b3f0aa55fe01c280")  # no UTF-8, as nearly all of Spring's
PARTITIONS = {"replies": 6, "shop.replies": 12, "shop.empty": 0, "pattern.reply": 3}
JSON = ("content-type", b"application/json")


def allowed(topic):
    return any(matches_topic(pattern, topic) for pattern in ("replies", "shop.*", "pattern.reply"))


TOPICS = ReplyTopics("replies", allowed, lambda topic: PARTITIONS.get(topic, 0))


def address(headers=(), correlation_id=None, reply_topic=None):
    return TOPICS.address(dict(headers), correlation_id, reply_topic)


def test_without_any_header_the_reply_goes_to_the_default_topic_by_key():
    found = address()

    assert (found.topic, found.partition, found.headers, found.nest) == (
        "replies", -1, [JSON], False,
    )  # fmt: skip


def test_springs_sixteen_bytes_are_echoed_untouched():
    headers = [
        ("kafka_correlationId", UUID_BYTES),
        ("kafka_replyTopic", b"shop.replies"),
        ("kafka_replyPartition", (11).to_bytes(4, "big")),
    ]

    found = address(headers)

    assert (found.topic, found.partition, found.nest) == ("shop.replies", 11, False)
    assert found.headers == [("kafka_correlationId", UUID_BYTES), JSON]


def test_spring_may_put_strings_in_quotation_marks():
    assert address([("kafka_replyTopic", b'"shop.replies"')]).topic == "shop.replies"


def test_nestjs_is_told_that_the_reply_is_the_last():
    headers = [
        ("kafka_correlationId", b"f81d4fae7dec11d0a765"),
        ("kafka_replyTopic", b"pattern.reply"),
        ("kafka_replyPartition", b"2"),
    ]

    found = address(headers)

    assert (found.topic, found.partition, found.nest) == ("pattern.reply", 2, True)
    assert found.headers == [("kafka_correlationId", b"f81d4fae7dec11d0a765"), NEST_DISPOSED, JSON]


def test_a_text_correlation_with_a_binary_partition_is_not_nestjs():
    headers = [("kafka_correlationId", b"an id in text"), ("kafka_replyPartition", b"\x00\x00\x00\x01")]

    assert address(headers).nest is False


def test_smallrye_gets_its_correlation_and_never_its_reply_topic():
    headers = [
        ("REPLY_CORRELATION_ID", b"1-2"),
        ("REPLY_TOPIC", b"shop.replies"),
        ("REPLY_PARTITION", b"\x00\x00\x00\x07"),
    ]

    found = address(headers)

    assert (found.topic, found.partition, found.headers) == (
        "shop.replies", 7, [("REPLY_CORRELATION_ID", b"1-2"), JSON],
    )  # fmt: skip


def test_faststream_names_its_topic_in_reply_to():
    found = address([("correlation_id", b"abc"), ("reply_to", b"shop.replies"), ("content-type", b"")])

    assert (found.topic, found.partition, found.headers) == ("shop.replies", -1, [("correlation_id", b"abc"), JSON])


def test_every_correlation_header_comes_back_under_its_own_name():
    found = address([("correlation_id", b"of a library"), ("kafka_correlationId", UUID_BYTES)])

    assert set(found.headers) == {("correlation_id", b"of a library"), ("kafka_correlationId", UUID_BYTES), JSON}


def test_who_can_not_set_headers_says_it_in_the_body():
    found = address(correlation_id="q-7", reply_topic="shop.replies")

    assert (found.topic, found.correlation_id) == ("shop.replies", "q-7")


def test_headers_win_over_the_body():
    found = address(
        [("kafka_correlationId", UUID_BYTES), ("kafka_replyTopic", b"replies")], "q-7", reply_topic="shop.replies"
    )

    assert (found.topic, found.correlation_id) == ("replies", None)


def test_an_empty_topic_is_none():
    assert address([("kafka_replyTopic", b"")], reply_topic="").topic == "replies"


def test_the_trace_goes_on():
    trace = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", b"a=b")]

    assert address(trace).headers == [*trace, JSON]


@pytest.mark.parametrize(
    ("value", "partition"),
    [
        (b"\x00\x00\x00\x00", 0),
        (b"\x00\x00\x00\x05", 5),
        (b"\x00\x00\x00\x06", -1),
        (b"\xff\xff\xff\xff", -1),
        (b"0", 0),
        (b"5", 5),
        (b"6", -1),
        (b"0005", 5),
        (b"1234", -1),
        (b"99999999999999999999", -1),
        (b"-1", -1),
        (b"five", -1),
        (b"", -1),
        ("٣".encode(), -1),
    ],
)
def test_a_partition_is_four_bytes_or_digits_and_must_exist(value, partition):
    assert address([("kafka_replyPartition", value)]).partition == partition


def test_four_digits_are_a_number_where_the_topic_is_that_large():
    topics = ReplyTopics("replies", allowed, lambda _: 2000)

    assert topics.address({"kafka_replyPartition": b"1234"}, None, None).partition == 1234


@pytest.mark.parametrize("topic", [b"purchases", b"repliesx", b"x" * 5000, b"\xff\xfe", b"shop"])
def test_a_topic_that_nobody_allowed_is_refused(topic):
    with pytest.raises(AddressRefused, match="is not allowed: name it in the setting reply_topics") as caught:
        address([("kafka_replyTopic", topic)])

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("topic", ["shop.empty", "shop.never-made"])
def test_a_topic_that_does_not_exist_is_refused(topic):
    with pytest.raises(AddressRefused, match="does not exist: the client must create it"):
        address(reply_topic=topic)
