"""Metrics: what a scrape shows, and the two vital signs that are computed when scraped."""

import numpy as np
import pytest
from prometheus_client import generate_latest

from consumers.observability.metrics import Metrics
from consumers.observability.vital_signs import Heartbeat, RecommendedShare


@pytest.fixture
def metrics():
    return Metrics()


def products(*numbers):
    return np.array(numbers, np.uint32)


def sample(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def test_every_outcome_of_an_event_is_there_from_the_start(metrics):
    outcomes = ("applied", "duplicate", "replayed", "forgotten", "forgot_nobody", "skipped", "misrouted", "dead")

    assert [sample(metrics, "alsobought_events_total", outcome=outcome) for outcome in outcomes] == [0.0] * 8


def test_a_child_with_the_same_labels_is_found_again(metrics):
    metrics.records.dead_letters("purchases", "not_json").inc()
    metrics.records.dead_letters("purchases", "not_json").inc(2)

    assert sample(metrics, "alsobought_dead_letters_total", topic="purchases", reason="not_json") == 3


def test_the_lag_of_a_partition_that_moved_away_is_no_longer_shown(metrics):
    metrics.partitions.lag("purchases", 3).set(7)
    assert sample(metrics, "alsobought_lag_records", topic="purchases", partition="3") == 7

    metrics.partitions.lag.forget("purchases", 3)
    metrics.partitions.lag.forget("purchases", 3)

    assert sample(metrics, "alsobought_lag_records", topic="purchases", partition="3") is None


def test_two_processes_worth_of_metrics_live_side_by_side():
    first, second = Metrics(), Metrics()
    first.model.swaps.inc()

    assert sample(second, "alsobought_model_swaps_total") == 0


def test_a_new_model_shows_its_version_its_number_its_age_and_its_vocabulary(metrics):
    assert np.isnan(sample(metrics, "alsobought_model_age_seconds"))

    metrics.model.serve("v12-20261122T100000Z", number=12, made_at_s=0, products=3659)

    assert sample(metrics, "alsobought_model_info", version="v12-20261122T100000Z") == 1
    assert sample(metrics, "alsobought_model_info", version="none") is None
    assert sample(metrics, "alsobought_model_version") == 12
    assert sample(metrics, "alsobought_model_age_seconds") > 1_700_000_000
    assert sample(metrics, "alsobought_vocabulary_products") == 3659


def test_every_scraped_metric_of_ours_is_described_with_a_sentence(metrics):
    scraped = {family.name for family in metrics.registry.collect() if family.name.startswith("alsobought_")}
    described = {metric.name.removesuffix("_total").removesuffix("_info") for metric in metrics.described()}

    assert described == scraped
    assert all(metric.help.endswith(".") for metric in metrics.described())


def test_no_label_holds_a_customer_or_a_product(metrics):
    labels = {label for metric in metrics.described() for label in metric.labels}

    assert labels == {
        "outcome", "topic", "reason", "partition", "kind", "strategy", "degraded", "stage", "code", "version",
        "by", "brand", "type", "clock",
    }  # fmt: skip


def test_a_scrape_holds_no_times_of_birth(metrics):
    assert b"_created" not in generate_latest(metrics.registry)


def test_a_heartbeat_ages_until_the_next_turn_of_the_loop():
    now_s = [100.0]
    heartbeat = Heartbeat(lambda: now_s[0])

    now_s[0] = 130.0
    age_s = heartbeat.age_s()
    heartbeat.beat()

    assert (age_s, heartbeat.age_s()) == (30.0, 0.0)


def test_the_recommended_share_counts_each_product_of_the_catalogue_once():
    share = RecommendedShare()
    share.of_catalogue(products(1, 2, 3, 900))

    share.note(products(1, 2, 7))
    share.note(products(2))

    assert share.ratio() == 0.5


def test_without_a_catalogue_nothing_of_it_is_recommended():
    share = RecommendedShare()
    share.note(products())

    assert share.ratio() == 0.0


def test_what_was_recommended_two_windows_ago_no_longer_counts():
    share = RecommendedShare(window_answers=2)
    share.of_catalogue(products(1, 2, 3, 4))

    share.note(products(1), answers=2)
    share.note(products(2))
    before = share.ratio()
    share.note(products(), answers=1)

    assert (before, share.ratio()) == (0.5, 0.25)


def test_a_new_catalogue_keeps_what_was_recommended():
    share = RecommendedShare()
    share.note(products(5, 6))

    share.of_catalogue(products(5, 6, 7, 8))

    assert share.ratio() == 0.5
