"""The comparison: one row a model, the same customers in each, and what is switched off is off."""

from dataclasses import dataclass

import pytest

from model.embeddings.parameters import TooLittleData, TrainingParameters
from model.evaluation.comparison import OURS, ComparisonPlan, Table, tables
from model.evaluation.replay import SCHEDULES, replay, summaries
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut
from model.signals.product_votes import VoteParameters
from tests.builders.shop_histories import shop_histories

PARAMETERS = TrainingParameters(vector_size=16, epochs=8, scale_to_data=False, sample=0)
RECIPE = OfflineRecipe(parameters=PARAMETERS, votes=VoteParameters(regularisation=20))
PLAN = ComparisonPlan(cut=Cut(20), windows=2, validation=1, seeds=2, recipe=RECIPE)


@dataclass(frozen=True)
class Comparison:
    """The tables of two windows, the steps that were named beforehand, and those that came, each in their order."""

    tables: list[Table]
    named: list[str]
    seen: list[str]


@pytest.fixture(scope="module")
def compared():
    """The whole comparison, peers included: what most tests here look at is learnt once."""
    named, seen = [], []
    note = lambda what, _done: seen.append(what)  # noqa: E731
    found = list(tables(*shop_histories(), PLAN, note, lambda _found, steps: named.extend(steps)))
    return Comparison(found, named, seen)


@pytest.fixture
def table(compared):
    """The newest window's table."""
    return compared.tables[0]


@pytest.fixture(scope="module")
def steps():
    """A replay of two slices."""
    return replay(*shop_histories(), RECIPE, slices=2)


def test_ours_comes_first_and_every_model_has_a_row(table):
    names = [row.name for row in table.rows]

    assert names[0] == OURS
    assert {"popularity, all time", "ALS", "BPR", "EASE", "EASE-rn + our recency and trend"} <= set(names)


def test_all_rows_judge_the_same_customers(table):
    assert {len(row.judged.ndcg) for row in table.rows} == {table.customers}


def test_the_steps_named_before_are_those_that_come_in_their_order(compared):
    assert list(dict.fromkeys(compared.seen)) == compared.named


def test_each_window_has_its_table(compared):
    assert [table.window for table in compared.tables] == [0, 1]


def test_in_a_shop_of_groups_ours_beats_best_sellers(table):
    ndcg = {row.name: row.means["ndcg"] for row in table.rows}

    assert ndcg[OURS] > 2 * ndcg["popularity, all time"]


def test_parts_that_are_switched_off_have_no_row_and_no_weight():
    plan = ComparisonPlan(cut=Cut(20), windows=1, validation=1, seeds=1, parts=("votes",), peers=False, recipe=RECIPE)
    (found,) = tables(*shop_histories(), plan)

    assert [row.name for row in found.rows] == [OURS, f"{OURS} without votes", f"{OURS}, item2vec and index alone"]
    assert found.calibration.weights.neighbours == 0


def test_windows_by_orders_have_tables_too():
    plan = ComparisonPlan(cut=Cut(None), windows=2, validation=1, seeds=1, peers=False, recipe=RECIPE)

    assert [found.window for found in tables(*shop_histories(), plan)] == [0, 1]


def test_too_few_customers_are_said_to_be_too_few():
    plan = ComparisonPlan(cut=Cut(20), windows=1, seeds=1, peers=False, recipe=RECIPE)

    with pytest.raises(TooLittleData):
        list(tables(*shop_histories(customers=20), plan))


def test_a_replay_learns_slice_after_slice(steps):
    assert [step.schedule for step in steps] == [*SCHEDULES, *SCHEDULES]
    kinds = {(step.schedule, step.slice): step.kind for step in steps}
    assert kinds["update", 1] == "full"
    assert kinds["update", 2] == "increment"
    assert kinds["frozen", 2] == "nothing"
    assert kinds["full retrain", 2] == "full"


def test_a_summary_counts_no_seconds_of_the_first_slice(steps):
    frozen = next(one for one in summaries(steps) if one.schedule == "frozen")

    assert frozen.seconds < 0.1
    assert frozen.full_trainings == 0
