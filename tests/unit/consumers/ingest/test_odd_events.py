"""What changes nothing is said at once, then now and then, and never with a key in it."""

import pytest

from consumers.ingest.odd_events import OddEvents, likely_cause
from consumers.kafka.records import Record


class Lines:
    def __init__(self):
        self.now_s = 0.0
        self.said = []
        self.odd = OddEvents(say=lambda event, **words: self.said.append((event, words)), clock_s=lambda: self.now_s)


@pytest.fixture
def lines():
    return Lines()


def tombstone(key):
    return Record("purchases", 3, 41, key, None)


def test_a_type_is_said_at_once_when_it_is_new_and_then_once_a_minute_with_its_count(lines):
    for _ in range(5):
        lines.odd.skip("order.cancelled")
        lines.odd.turn()
    lines.now_s = 61
    lines.odd.turn()

    assert [words["types"] for _, words in lines.said] == [{"order.cancelled": 1}, {"order.cancelled": 4}]
    assert "purchase_types" in lines.said[0][1]["action"]


def test_a_further_type_is_said_without_waiting(lines):
    for event_type in ("order.cancelled", "order.refunded"):
        lines.odd.skip(event_type)
        lines.odd.turn()

    assert len(lines.said) == 2


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (b'"c-42"', "JSON quotes"), (b' "c-42" ', "JSON quotes"), (b" c-42", "blanks"), (b"c-42\xc2\xa0", "blanks"),
        (b'{"profile_id":"c-42"}', "the key is JSON"), (b"c-42", "no purchase is known"),
        (b'"', "no purchase is known"),
    ],
)  # fmt: skip
def test_a_null_value_that_hit_nobody_is_said_with_its_likely_cause_and_without_the_key(lines, key, words):
    lines.odd.forgot_nobody(tombstone(key))

    ((event, said),) = lines.said
    assert (event, said["partition"], said["offset"], said["count"]) == ("forgot_nobody", 3, 41, 1)
    assert words in said["action"]
    assert "c-42" not in repr(said)
    assert likely_cause(key) == said["action"]


def test_many_null_values_that_hit_nobody_are_counted_together(lines):
    for number in range(100):
        lines.odd.forgot_nobody(tombstone(b"c-%d" % number))
    lines.now_s = 61
    lines.odd.forgot_nobody(tombstone(b"c-7"))

    assert [words["count"] for _, words in lines.said] == [1, 100]


def test_several_types_of_purchases_are_said_once(lines):
    for _ in range(3):
        lines.odd.took({"order.placed"})
    assert lines.said == []
    for _ in range(3):
        lines.odd.took({"order.placed", "order.paid"})

    assert [event for event, _ in lines.said] == ["purchases_of_several_types"]
