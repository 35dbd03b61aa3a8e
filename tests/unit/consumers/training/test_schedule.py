"""When a model is learnt: enough is new, or something is new and time has passed, and no import is in full swing."""

import pytest

from consumers.training.schedule import Due


def due_after(learnt=1000, *, at_s=0.0, has_model=True, **settings):
    due = Due(**{"min_new_events": 100, "max_wait_s": 3600.0} | settings)
    due.attempted(learnt, at_s, has_model=has_model)
    due.check(learnt, at_s)  # what was there is no growth
    return due


def test_nothing_new_is_never_due():
    assert not due_after().check(1000, 1e9)


@pytest.mark.parametrize(("new", "expected"), [(99, False), (100, True)])
def test_enough_new_events_are_due(new, expected):
    due = due_after(100_000)

    assert due.check(100_000 + new, 1.0) is expected


@pytest.mark.parametrize(("waited_s", "expected"), [(3599.0, False), (3600.0, True)])
def test_a_single_new_event_is_due_when_time_has_passed(waited_s, expected):
    assert due_after().check(1001, waited_s) is expected


def test_the_first_model_does_not_wait_for_the_whole_time():
    due = due_after(0, has_model=False)

    assert [due.check(1, second) for second in (29.0, 30.0)] == [False, True]


def test_a_short_wait_is_kept_for_the_first_model_too():
    assert due_after(0, has_model=False, max_wait_s=5.0).check(1, 5.0)


def test_a_bulk_import_is_waited_out():
    due = due_after(0, has_model=False)

    assert [due.check(events, second) for second, events in enumerate([5000, 9000, 9050])] == [False, False, True]


def test_an_import_that_goes_on_and_on_is_not_waited_for_beyond_half_a_minute():
    due = due_after(0, has_model=False)

    first = next(second for second in range(100) if due.check(1000 * 2 ** min(second, 40), float(second)))

    assert first == 30


def test_a_store_that_begins_anew_counts_from_nothing():
    due = due_after(1000)

    assert [due.check(50, 1.0), due.check(150, 2.0), due.check(151, 3.0)] == [False, False, True]


def test_what_failed_is_not_tried_again_before_there_is_more():
    due = due_after(100_000)
    due.check(100_200, 1.0)

    due.attempted(100_200, 1.0, has_model=False)

    assert [due.check(100_200, 2.0), due.check(100_300, 3.0)] == [False, True]
    assert due.has_model


def test_what_failed_for_another_reason_is_tried_again_in_a_minute():
    due = Due(min_new_events=10, max_wait_s=3600)
    due.attempted(50, 0.0, has_model=True)
    due.attempted(70, 100.0, has_model=False)
    due.failed(50, 100.0)
    due.check(70, 101.0)

    assert [due.check(70, now_s) for now_s in (130.0, 161.0)] == [False, True]
