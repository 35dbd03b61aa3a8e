"""The sentences at the end of an evaluation: gains, losses and chance are told apart."""

import numpy as np
import pytest

from model.evaluation.comparison import OURS, Row, Table
from model.offline.measures import Measured
from model.ranking.parameters import Scoring
from model.signals.product_votes import VoteParameters
from model.training.calibration import Calibration
from serving.reports.evaluation_words import sentences

CALIBRATION = Calibration(Scoring(), None, VoteParameters(), "index", 0, 0, {})


def table(**ndcg):
    """One window with a row for each model; `ndcg` holds each customer's."""
    rows = []
    for name, values in ndcg.items():
        array = np.asarray(values, float)
        judged = Measured((array > 0).astype(float), array, array, array, 0.5, 0.5)
        rows.append(Row(name.replace("_", " "), judged.means(), judged, 1.0))
    return Table(0, len(rows[0].judged.ndcg), 0, 10, 1.0, rows, CALIBRATION)


def customers(mean, seed=1, count=400):
    return np.clip(np.random.default_rng(seed).normal(mean, 0.1, count), 0, 1)


def test_a_gain_outside_the_interval_is_told_as_a_gain():
    ours = customers(0.5)
    told = sentences([table(**{OURS: ours, "popularity": ours * 0.8})], 10)

    assert "your customers find 25.0 % more than by popularity" in told[-1]
    assert "chance" not in told[-1]


def test_a_loss_is_told_as_a_loss():
    ours = customers(0.5)
    told = sentences([table(**{OURS: ours, "EASE": ours * 1.25, "popularity": ours * 0.5})], 10)

    assert "100.0 % more than by popularity, the better list of best sellers" in told[1]
    assert "20.0 % less than by EASE, the best of 2 other recommenders here" in told[2]
    assert "is the better one" in told[2]


def test_a_difference_inside_the_interval_is_said_to_be_chance():
    told = sentences([table(**{OURS: customers(0.5), "EASE": customers(0.5, seed=2)})], 10)

    assert "that may be chance" in told[-1]


def test_all_windows_count_together():
    ours = customers(0.5)
    told = sentences([table(**{OURS: ours, "EASE": ours}), table(**{OURS: ours, "EASE": ours * 0.5})], 10)

    assert "33.3 % more than by EASE" in told[-1]
    assert "800 customers" in told[-1]


@pytest.mark.parametrize("found", [0.0, 1.0])
def test_the_share_of_few_customers_is_never_told_as_certain(found):
    told = sentences([table(**{OURS: np.full(20, found), "EASE": np.full(20, found)})], 10)

    assert told[0].endswith("(95 %: 0 .. 16)" if found == 0 else "(95 %: 84 .. 100)")
    assert len(told) == 2


def test_without_other_recommenders_it_says_that_nothing_was_compared():
    assert "--no-peers" in sentences([table(**{OURS: customers(0.5)})], 10)[-1]
