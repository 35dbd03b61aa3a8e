"""Whether answers are late: most of the last seconds' requests, not a few, and not those of long ago."""

from consumers.loop.lateness import Lateness


def test_most_late_is_late_and_half_is_not():
    now = [0.0]
    lateness = Lateness(5, lambda: now[0])
    lateness.answered([1, 9])
    half = lateness.why_late()
    lateness.dropped(1)

    assert half == ""
    assert "2 of 3 requests of the last 5 s were dropped, or answered later than 5 s" in lateness.why_late()


def test_what_is_over_is_forgotten():
    now = [0.0]
    lateness = Lateness(5, lambda: now[0])
    lateness.answered([9.0])
    now[0] = 5.1

    assert lateness.why_late() == ""
