"""A request is committed when its reply, and every reply before it, has been delivered."""

from confluent_kafka import KafkaError

from consumers.loop.deliveries import Deliveries

FIRST, SECOND = ("requests", 0), ("requests", 1)


def asked(deliveries, offset, key=FIRST, replies=1):
    span = deliveries.open
    span.waiting += replies
    span.offsets[key] = offset + 1
    return span


def test_nothing_is_committed_before_its_reply_is_delivered():
    deliveries = Deliveries()
    span = asked(deliveries, 0)
    before = deliveries.committable()

    span.delivered(None, None)

    assert (before, deliveries.committable(), deliveries.committable()) == ({}, {FIRST: 1}, {})


def test_a_later_reply_waits_for_the_earlier_one():
    deliveries = Deliveries()
    early = asked(deliveries, 0)
    deliveries.committable()  # a new span begins
    late = asked(deliveries, 1)
    late.delivered(None, None)
    held = deliveries.committable()

    early.delivered(None, None)

    assert held == {}
    assert deliveries.committable() == {FIRST: 2}


def test_requests_without_a_reply_are_committed_too():
    deliveries = Deliveries()
    asked(deliveries, 4, replies=0)

    assert deliveries.committable() == {FIRST: 5}


def test_a_failed_reply_is_counted_and_holds_nobody_up():
    deliveries = Deliveries()
    span = asked(deliveries, 0)

    span.delivered(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), None)

    assert (deliveries.committable(), deliveries.failed) == ({FIRST: 1}, 1)


def test_a_partition_that_moved_away_is_not_committed():
    deliveries = Deliveries()
    asked(deliveries, 0, replies=0)
    asked(deliveries, 3, SECOND, replies=0)

    deliveries.forget(*FIRST)

    assert deliveries.committable() == {SECOND: 4}


def test_what_is_under_way_is_counted_over_all_spans():
    deliveries = Deliveries()
    asked(deliveries, 0, replies=2)
    deliveries.committable()
    asked(deliveries, 1, replies=3)

    assert deliveries.waiting == 5
