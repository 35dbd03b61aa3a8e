"""Requests that wait: the first come first, under overload the newest; the late are dropped, nobody else is."""

import pytest

from consumers.kafka.records import Record
from consumers.loop.request_queue import RequestQueue

NOW_S = 1_000.0
LATER_MS = 1000 * NOW_S + 500
TOO_LATE_MS = 1000 * NOW_S - 1


class Clock:
    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dropped():
    return []


@pytest.fixture
def waiting(clock, dropped):
    return RequestQueue(dropped.append, limit_records=10, limit_bytes=100, now_s=lambda: NOW_S, monotonic_s=clock)


def add(waiting, *offsets, partition=0, deadline_ms=LATER_MS, value=b"{}"):
    for offset in offsets:
        waiting.add([Record("requests", partition, offset, b"ada", value)], [deadline_ms])


def take(waiting, most=2, ready=lambda _partition: True):
    return [record.offset for record in waiting.take(most, ready)]


def test_while_there_is_time_the_first_come_first(waiting):
    add(waiting, 1, 2, 3)

    assert [take(waiting), take(waiting), take(waiting)] == [[1, 2], [3], []]


def test_once_one_has_waited_for_half_a_second_the_newest_come_first(waiting, clock):
    add(waiting, 1, 2, 3, 4, 5)
    clock.s = 0.6

    assert [take(waiting), take(waiting), take(waiting)] == [[4, 5], [2, 3], [1]]


def test_the_late_are_dropped_and_counted_when_it_is_their_turn(waiting, dropped):
    add(waiting, 1, deadline_ms=TOO_LATE_MS)
    add(waiting, 2, 3)

    assert (take(waiting), sum(dropped)) == ([2, 3], 1)


def test_the_late_among_those_who_wait_are_dropped_and_the_others_stay(waiting, dropped):
    add(waiting, 1, 3, deadline_ms=TOO_LATE_MS)
    add(waiting, 2, 4)

    waiting.drop_late()

    assert (sum(dropped), take(waiting)) == (2, [2, 4])


@pytest.mark.parametrize("overloaded", [False, True])
def test_those_whose_history_is_not_whole_go_on_waiting_in_their_order(waiting, clock, overloaded):
    add(waiting, 1, 2, partition=1)
    add(waiting, 7)
    clock.s = 0.6 if overloaded else 0.0

    while_restoring = take(waiting, ready=lambda partition: partition == 0)

    assert (while_restoring, take(waiting)) == ([7], [1, 2])


def test_an_offset_is_done_when_nothing_before_it_waits(waiting, clock):
    add(waiting, 5, 6, 7)
    add(waiting, 3, partition=1)
    clock.s = 0.6
    take(waiting, most=2)  # 7 and the one of partition 1

    assert waiting.next_offsets() == {("requests", 0): 5, ("requests", 1): 4}


def test_of_a_partition_that_went_away_nothing_is_left(waiting, dropped):
    add(waiting, 1, 2)
    add(waiting, 3, partition=1)

    waiting.forget("requests", 0)

    assert (take(waiting), sum(dropped), waiting.next_offsets()) == ([3], 0, {("requests", 1): 4})


@pytest.mark.parametrize(("count", "value"), [(10, b""), (2, b"x" * 50)])
def test_it_is_full_by_number_or_by_size_and_has_room_again(waiting, count, value):
    add(waiting, *range(count), value=value)
    full = waiting.full
    take(waiting, most=1)

    assert (full, waiting.full) == (True, False)
