"""An event id is remembered for as many events as the window holds, whatever the batches."""

import numpy as np
import pytest

from model.store.dedupe_window import DedupeWindow, event_hashes, key_of


def admitted(window, batches):
    """Which events were new; each batch is remembered after it, as the store does."""
    recent = DedupeWindow(window)
    taken = []
    for batch in batches:
        pending = recent.pending(1)
        new = [event for event in batch if pending.admit(event)]
        recent.remember(1, new)
        taken += new
    return taken


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_batch_that_is_longer_than_the_window_is_no_trouble(size):
    events = [1, 2, 3, 4, 1, 5, 6, 7, 8, 1, 8]
    batches = [events[at : at + size] for at in range(0, len(events), size)]

    assert admitted(3, batches) == [1, 2, 3, 4, 1, 5, 6, 7, 8, 1]


def test_the_window_is_the_same_after_it_was_packed_and_loaded():
    recent = DedupeWindow(3)
    recent.remember(1, [1, 2, 3, 4])
    again = DedupeWindow(3)

    again.load(recent.packed([1, 2]))

    assert [again.pending(1).admit(event) for event in (1, 2, 3, 4)] == [True, False, False, False]


def test_what_is_packed_is_the_window_and_no_more():
    recent = DedupeWindow(16)
    recent.remember(1, range(1, 19))

    ((log, hashes, _),) = recent.packed([1])

    assert (log, np.frombuffer(hashes, "<u8").tolist()) == (1, list(range(3, 19)))


def test_logs_have_windows_of_their_own():
    recent = DedupeWindow(3)
    recent.remember(1, [7])

    assert recent.pending(2).admit(7)


def test_no_event_id_has_no_hash_and_brands_keep_equal_ids_apart():
    none, *hashes = event_hashes([("acme", ""), ("acme", "1"), ("", "1"), ("acme", "1")], key=7)

    assert none == 0
    assert hashes[0] == hashes[2] != hashes[1]


def test_hashes_are_the_same_in_every_process_and_version():
    assert event_hashes([("acme", "o-1")], key_of("a file")) == [0x528E5A49B8848001]


@pytest.mark.parametrize("packed", [False, True])
def test_an_event_is_found_by_its_old_hash_as_long_as_the_window_holds_it(packed):
    recent = DedupeWindow(3)
    recent.remember(1, [101, 102], old=True)
    recent.remember(1, [3])
    if packed:
        rows, recent = recent.packed([1]), DedupeWindow(3)
        recent.load(rows)

    new = recent.pending(1).admit_all([1, 5, 1, 2, 6, 2], [101, 105, 101, 102, 106, 102])

    assert recent.has_old(1)
    assert new == [False, True, True, True, True, False]


def test_old_hashes_are_no_longer_asked_for_once_all_are_out_of_the_window():
    recent = DedupeWindow(3)
    recent.remember(1, [101, 102], old=True)
    recent.remember(1, [3, 4])
    before = recent.has_old(1)

    recent.remember(1, [5])

    assert (before, recent.has_old(1)) == (True, False)
    assert [old for _, _, old in recent.packed([1])] == [0]
