"""Dead letters: as they came, with Kafka Connect's headers, delivered before anything goes on, and readable again."""

import pytest
from confluent_kafka import KafkaError
from msgspec.structs import replace

from consumers.ingest.dead_letters import (
    PREFIX,
    SIZE_HEADER,
    DeadLetter,
    DeadLetters,
    headers_of,
    origin_of,
    original_timestamp_ms,
    own_headers,
)
from consumers.kafka.clients import BrokerUnavailable
from consumers.kafka.records import Record
from tests.builders.topics import records_on

PRODUCE = 0
RECORD = Record(
    "purchases", 3, 41, b"\x00key", b"\xffvalue", (("trace", b"\x01"), ("trace", None), ("ä", b"")), 1_700_000_000_123
)


def letter(record=RECORD, reason="not_json", message="the value is no JSON"):
    return DeadLetter(record, reason, message)


@pytest.fixture
def dead(topic):
    return topic


def test_the_headers_are_kafka_connects_in_utf_8():
    ours = dict(headers_of(letter())[3:])

    assert ours == {
        f"{PREFIX}topic": b"purchases",
        f"{PREFIX}partition": b"3",
        f"{PREFIX}offset": b"41",
        f"{PREFIX}connector.name": b"alsobought",
        f"{PREFIX}task.id": b"0",
        f"{PREFIX}stage": b"VALUE_CONVERTER",
        f"{PREFIX}class.name": b"consumers.events",
        f"{PREFIX}exception.class.name": b"not_json",
        f"{PREFIX}exception.message": b"the value is no JSON",
        f"{PREFIX}original.timestamp": b"1700000000123",
    }


def test_a_long_message_is_cut_and_half_a_surrogate_pair_does_no_harm():
    ours = dict(headers_of(letter(message="\ud800" + "x" * 9999)))

    assert len(ours[f"{PREFIX}exception.message"]) == 500


def test_a_second_death_replaces_the_headers_of_the_first():
    first = replace(RECORD, headers=(("trace", b"\x01"), *headers_of(letter())[3:]))

    headers = headers_of(letter(replace(first, offset=99), "wrong_type"))

    assert [value for name, value in headers if name == f"{PREFIX}offset"] == [b"99"]
    assert len(headers) == 11
    assert own_headers(first) == [("trace", b"\x01")]


def test_a_dead_letter_is_delivered_as_it_came(clients, dead):
    DeadLetters(clients.producer(), dead).deliver([letter()])

    (read,) = records_on(clients, dead)
    assert (read.key, read.value, read.headers[:3]) == (RECORD.key, RECORD.value, RECORD.headers)
    assert (origin_of(read), original_timestamp_ms(read)) == (("purchases", 3, 41), RECORD.timestamp_ms)


@pytest.mark.parametrize(("key", "value"), [(None, b"x"), (b"k", None), (b"", b"")])
def test_null_and_empty_stay_what_they_were(clients, key, value, dead):
    DeadLetters(clients.producer(), dead).deliver([letter(replace(RECORD, key=key, value=value))])

    (read,) = records_on(clients, dead)
    assert (read.key, read.value) == (key, value)


def test_one_that_is_too_large_goes_without_its_value_and_says_its_size(clients, dead):
    large = letter(replace(RECORD, value=b"x" * 5000))

    DeadLetters(clients.producer(message_max_bytes="2000"), dead).deliver([large, letter()])

    kept, small = sorted(records_on(clients, dead), key=lambda read: read.value or b"")
    assert (kept.key, kept.value, kept.header_values()[SIZE_HEADER]) == (RECORD.key, None, b"5000")
    assert (small.value, origin_of(kept)) == (RECORD.value, ("purchases", 3, 41))


def test_one_whose_headers_are_too_large_goes_with_ours_only(clients, dead):
    large = letter(replace(RECORD, headers=(("x", b"x" * 5000),)))

    DeadLetters(clients.producer(message_max_bytes="2000"), dead).deliver([large])

    (read,) = records_on(clients, dead)
    assert (read.key, read.value, own_headers(read)) == (None, None, [])
    assert origin_of(read) == ("purchases", 3, 41)


def test_a_topic_that_takes_less_than_its_source_gets_what_fits(clients, broker, dead):
    broker.fail_next(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])

    DeadLetters(clients.producer(), dead).deliver([letter()])

    (read,) = records_on(clients, dead)
    assert (read.value, read.header_values()[SIZE_HEADER]) == (None, b"6")


def test_a_broker_that_refuses_is_said_and_nothing_is_taken_for_delivered(clients, broker, dead):
    broker.fail_next(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])

    with pytest.raises(BrokerUnavailable, match="does not take dead letters"):
        DeadLetters(clients.producer(), dead).deliver([letter()])


def test_a_broker_that_does_not_answer_is_said(clients, dead):
    producer = clients.producer(linger_ms="500")

    with pytest.raises(BrokerUnavailable, match="were not delivered"):
        DeadLetters(producer, dead, delivery_s=0.0).deliver([letter()])

    producer.flush(5)


def test_replies_that_are_stuck_do_not_hold_up_a_dead_letter(clients, dead):
    producer = clients.producer()
    stuck = []
    producer.produce("no-such-topic", value=b"reply", on_delivery=lambda error, _: stuck.append(error))

    DeadLetters(producer, dead).deliver([letter()])

    assert len(list(records_on(clients, dead))) == 1
    producer.purge()


@pytest.mark.parametrize("number", [b"", b"x", b"-1", b"\xc2\xb2", b"9" * 5000, None])
def test_an_origin_that_makes_no_sense_is_unknown(number):
    read = replace(RECORD, headers=((f"{PREFIX}topic", b"purchases"), (f"{PREFIX}offset", number)))

    assert origin_of(read) == ("purchases", -1, -1)
