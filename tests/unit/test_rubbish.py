"""Rubbish of every kind at every door, found by Hypothesis; `make fuzz` looks further, led by what code was run."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import NAMES, Targets

ENOUGH = {"http": 150}  # each takes two connections


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    with Targets(tmp_path_factory.mktemp("rubbish")) as opened:
        yield opened


def search(target, examples=400):
    """Hand the target as many odd rows of bytes, the same ones in every run."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.binary(max_size=120))
    def hand_over(data):
        target(data)

    hand_over()


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_is_dealt_with_in_one_of_the_stated_ways(targets, name, caplog, capfd):
    caplog.set_level(logging.INFO)
    search(targets.by_name()[name], examples=ENOUGH.get(name, 400))

    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow("thousands of odd records")
def test_the_search_gets_as_far_as_orders_products_answers_and_most_ways_to_be_refused(targets):
    for target in (targets.purchases, targets.catalogue, targets.requests):
        search(target, examples=1500)
    counted = targets.shop.metrics.registry.get_sample_value

    assert counted("alsobought_events_total", {"outcome": "applied"}) > 5
    assert counted("alsobought_events_total", {"outcome": "forgotten"}) > 0
    assert counted("alsobought_events_total", {"outcome": "forgot_nobody"}) > 5
    assert counted("alsobought_answers_total", {"strategy": "none", "degraded": "no_model"}) > 5
    assert targets.shop.store.number_of("", "tea") is not None
    assert targets.letters.reasons >= {"not_json", "wrong_type", "missing_field", "out_of_range", "reply_topic"}
