"""A deadline is a moment in milliseconds; what reads like anything else is refused with what it reads like."""

import pytest

from serving.protocol.deadlines import moment_ms

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize("said", [NOW_MS, float(NOW_MS), str(NOW_MS), str(NOW_MS).encode()])
def test_a_moment_is_taken_however_it_is_written(said):
    assert moment_ms(said) == NOW_MS


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (NOW_MS // 1000, rf"is {NOW_MS // 1000}; it reads like seconds .*\({NOW_MS}\)"),
        (b"%d" % (NOW_MS // 1000), "seconds since 1970"),
        (10_000, "a span of time"),
        (NOW_MS * 1000, "micro- or nanoseconds"),
        (NOW_MS * 10**6, "micro- or nanoseconds"),
        (10**200, "far out of range"),
        (-1, "send milliseconds since 1970"),
        (0.5, "is no whole number"),
        ("2026-11-30T00:00:00Z", "is no whole number"),
        (NOW_MS.to_bytes(8, "big"), "is no whole number"),
        (b"\xff\xfe", "is no whole number"),
    ],
)
def test_what_is_no_moment_is_refused_with_its_likely_cause(said, words):
    with pytest.raises(ValueError, match=words):
        moment_ms(said)
