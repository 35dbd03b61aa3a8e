"""An event id is remembered for as many events as the window holds, whatever the batches."""

import numpy as np
import pytest

from model.store.dedupe_window import DedupeWindow, event_hashes


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

    ((log, hashes),) = recent.packed([1])

    assert (log, np.frombuffer(hashes, "<u8").tolist()) == (1, list(range(3, 19)))


def test_logs_have_windows_of_their_own():
    recent = DedupeWindow(3)
    recent.remember(1, [7])

    assert recent.pending(2).admit(7)


def test_no_event_id_has_no_hash_and_brands_keep_equal_ids_apart():
    none, *hashes = event_hashes([("acme", ""), ("acme", "1"), ("", "1"), ("acme", "1")])

    assert none == 0
    assert hashes[0] == hashes[2] != hashes[1]
