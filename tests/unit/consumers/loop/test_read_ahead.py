"""Requests are read past the purchases that a worker catches up on, and no purchase is lost or counted twice."""

import math

import pytest
from confluent_kafka import TopicPartition

PURCHASES = 3000


@pytest.fixture
def behind(world, monkeypatch):
    """Asked a moment ago, all but up to date, when many purchases come."""
    monkeypatch.setattr("consumers.loop.read_ahead._MUCH", 500)
    monkeypatch.setattr("consumers.loop.read_ahead._LITTLE", 300)
    world.begin()
    world.worker._asked_at_s = math.inf
    for at in range(PURCHASES):
        world.producer.produce(
            world.topic("purchases"), key=b"ada", value=b'{"profile_id":"ada","items":[{"product_id":"p%d"}]}' % at,
            partition=0,
        )  # fmt: skip
    world.producer.flush(5)
    return world


def everything_once(world):
    world.step_until(lambda: world.store.next_offset(0) == PURCHASES)
    return world.bought() == [f"p{at}" for at in range(PURCHASES)]


def test_a_request_is_answered_while_purchases_read_before_it_wait(behind):
    behind.step_until(lambda: behind.worker._ahead._waiting)
    behind.send("requests", b"{}")
    behind.step_until(lambda: behind.responder.asked)

    assert 0 < behind.store.next_offset(0) < PURCHASES
    assert everything_once(behind)


def test_answers_come_before_the_purchases_of_the_turn_while_more_of_them_wait(behind):
    behind.step_until(lambda: behind.worker._ahead.behind)
    behind.send("requests", b"{}", key=b"ada")
    told = []
    while not behind.responder.asked:
        told.append(behind.store.next_offset(0))
        behind.worker.step()

    (known,) = behind.replies()
    assert int(known) == told[-1] < behind.store.next_offset(0)


def test_when_much_waits_no_more_is_fetched_until_little_does(behind):
    held = []
    while behind.store.next_offset(0) < PURCHASES:
        behind.worker.step()
        held.append(behind.partitions._purchases_held)

    assert True in held
    assert not held[-1]
    assert everything_once(behind)


def test_what_waits_of_a_partition_that_is_placed_again_is_read_again(behind):
    behind.step_until(lambda: behind.worker._ahead._waiting)
    behind.partitions.place_again(behind.consumer, [TopicPartition(behind.topic("purchases"), 0)])

    assert everything_once(behind)
    assert behind.metric("events_total", outcome="replayed") == 0


def test_what_waits_of_a_partition_given_back_is_not_stored(behind):
    behind.step_until(lambda: behind.worker._ahead._waiting)
    stored = behind.store.next_offset(0)
    behind.partitions.owned.discard((behind.topic("purchases"), 0))

    for _ in range(5):
        behind.worker.step()

    assert behind.store.next_offset(0) == stored


def test_what_waits_counts_as_lag(behind):
    behind.step_until(lambda: behind.worker._ahead._waiting)
    behind.worker._measure()

    _, end = behind.consumer.get_watermark_offsets(TopicPartition(behind.topic("purchases"), 0), cached=True)
    assert behind.metric("lag_records", topic="purchases", partition="0") == end - behind.store.next_offset(0) > 0
