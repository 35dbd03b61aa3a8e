"""What an evaluation can test is known before anything is learnt."""

import numpy as np
import pytest

from model.embeddings.parameters import TooLittleData, TrainingParameters
from model.evaluation.comparison import ComparisonPlan, tables
from model.evaluation.outlook import Wanted, outlook
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut, split
from model.purchases.histories import Histories
from tests.builders.shop_histories import DAY_S, shop_histories

PARAMETERS = TrainingParameters(vector_size=8, epochs=2, scale_to_data=False, sample=0)


def looked_at(histories, keys, windows=2, validation=2, days=20):
    cut = Cut(days)
    return outlook(lambda window: split(histories, cut, window), keys, Wanted(windows, validation, cut, PARAMETERS))


def with_later_orders(histories, days_later, customers):
    """Some customers buy one product more, so many days after everything else."""
    parts, times, starts = [], [], [0]
    for at in range(len(histories.customers)):
        mine = slice(histories.starts[at], histories.starts[at + 1])
        more = at < customers
        parts += [histories.products[mine], np.array([1 + at % 60], np.uint32)[: int(more)]]
        late = histories.times.max() + days_later * DAY_S
        times += [histories.times[mine], np.array([late], np.uint32)[: int(more)]]
        starts.append(starts[-1] + len(histories.products[mine]) + more)
    return Histories(histories.customers, np.array(starts), np.concatenate(parts), np.concatenate(times))


def test_windows_with_customers_are_tested_with_the_windows_before_them():
    found = looked_at(*shop_histories())

    assert found.tested == {0: [1, 2], 1: [2, 3]}
    assert found.left_out == []


@pytest.mark.parametrize("days_later", [25, 100])
def test_an_almost_empty_newest_window_is_left_out_and_named(days_later):
    histories, keys = shop_histories()
    found = looked_at(with_later_orders(histories, days_later, customers=60), keys)
    few = looked_at(with_later_orders(histories, days_later, customers=5), keys)

    assert len(found.tested) == len(few.tested) == 2
    assert min(few.tested) >= 0


def test_a_window_of_too_few_customers_says_how_many_it_has_and_needs():
    found = looked_at(*shop_histories(customers=8), windows=1)

    assert found.tested == {}
    assert "the newest window is not tested" in found.left_out[0]
    assert "10 are needed" in found.left_out[0]


def test_without_a_window_to_choose_on_all_is_judged_untuned():
    histories, keys = shop_histories(customers=120)
    told = []
    plan = ComparisonPlan(cut=Cut(70), windows=1, validation=2, seeds=1, recipe=OfflineRecipe(parameters=PARAMETERS))
    (table,) = tables(histories, keys, plan, on_outlook=lambda found, steps: told.append((found, steps)))

    ((found, steps),) = told
    assert found.tested == {0: []}
    assert "no window before the newest window" in found.left_out[0]
    assert {row.name for row in table.rows} >= {"alsobought", "EASE", "ALS"}
    assert "window 0: EASE" in steps


def test_nothing_to_learn_from_is_known_at_once():
    with pytest.raises(TooLittleData):
        list(
            tables(
                *shop_histories(customers=20), ComparisonPlan(cut=Cut(20), recipe=OfflineRecipe(parameters=PARAMETERS))
            )
        )


@pytest.mark.parametrize("kind", ["one customer", "one product", "one moment"])
def test_purchases_without_any_variety_are_refused_before_anything_is_learnt(kind):
    histories, keys = shop_histories(customers=60)
    one = np.ones(len(histories.products), np.uint32)
    lines = np.array([0, len(histories.products)])
    made = {
        "one customer": Histories(np.array([1], np.uint32), lines, histories.products, np.sort(histories.times)),
        "one product": Histories(histories.customers, histories.starts, one, histories.times),
        "one moment": Histories(histories.customers, histories.starts, histories.products, one * 1_700_000_000),
    }
    found = looked_at(made[kind], keys)

    assert found.tested == {}
