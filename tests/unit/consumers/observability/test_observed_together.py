"""Many observations at once leave a histogram as one by one would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from consumers.observability.observed_together import StageTimer, observe_all

BOUNDS = (0.001, 0.25, 1, 30)


def histogram():
    registry = CollectorRegistry()
    return registry, Histogram("seconds", "Seconds.", buckets=BOUNDS, registry=registry)


@given(st.lists(st.lists(st.integers(0, 40_000).map(lambda n: n / 1024) | st.sampled_from(BOUNDS))))
def test_together_is_as_one_by_one(batches):
    (together, of_all), (apart, of_each) = histogram(), histogram()

    for amounts in batches:
        observe_all(of_all, amounts)
        for amount in amounts:
            of_each.observe(amount)

    assert _values(together) == pytest.approx(_values(apart))


def _values(registry):
    lines = generate_latest(registry).decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line[0] != "#" and "_created" not in line)
    return {name: float(value) for name, value in values.items()}


def test_a_stage_is_measured_each_time_it_is_entered_and_also_when_it_fails():
    registry, seconds = histogram()
    timer = StageTimer(seconds)

    with timer:
        pass
    with pytest.raises(ValueError, match="stage"), timer:
        raise ValueError("stage")

    found = _values(registry)
    assert found["seconds_count"] == 2
    assert 0 <= found["seconds_sum"] < 10
