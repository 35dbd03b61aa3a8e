"""How to rank, as part of a training: calibrated when it is time, carried on, put off for a first model."""

import numpy as np
import pytest

from model.catalogue.product import Product
from model.embeddings.parameters import TrainingParameters
from model.offline.splits import Cut
from model.progress import silent
from model.ranking.parameters import CalibrationReport, Ranking, Scoring, Weights
from model.snapshots.metadata import versions
from model.snapshots.reader import open_snapshot
from model.snapshots.writer import write_snapshot
from model.store.reader import StoreContents, Watermark
from model.training import learning
from model.training.learning import learn, newest_ancestor
from model.training.schedule import Limits
from tests.builders.learnt import recipe
from tests.builders.shop_histories import shop_histories

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0
RECIPE = recipe(
    parameters=TrainingParameters(vector_size=16, epochs=8, scale_to_data=False, sample=0, min_customers=20),
    limits=Limits(new_lines=10.0),
    cut=Cut(20),
)
MADE = CalibrationReport(source="learnt", windows=2, customers=90, ndcg={"learnt": 0.2}, at_s=NOW_S - 3 * DAY_S)
RANKING = Ranking(scoring=Scoring(scale=2.0), weights=Weights(votes=0.7), calibration=MADE)


def shop(customers=240, *, brand=""):
    histories, keys = shop_histories(customers)
    products = [Product("", "")] + [Product(brand, key, price=1.0) for key in keys[1:]]
    return StoreContents(Watermark("db", {0: len(histories.products)}), histories, products)


def learnt(contents, recipe=RECIPE, ancestor=None, **more):
    return learn(contents, recipe, ancestor, silent, NOW_S, **more)


@pytest.fixture(scope="module")
def calibrated():
    return learnt(shop()).metadata.ranking


def test_a_full_training_learns_how_to_rank(calibrated):
    found = calibrated.calibration

    assert (found.windows, found.at_s) == (2, NOW_S)
    assert found.ndcg[found.source] >= found.ndcg["popularity"]


def test_while_a_first_model_is_waited_for_calibration_is_put_off():
    ranking = learnt(shop(), at_once=True).metadata.ranking

    assert (ranking.weights, ranking.calibration) == (None, None)


def test_with_too_little_data_there_is_nothing_to_put_off():
    ranking = learnt(shop(40), at_once=True).metadata.ranking

    assert (ranking.weights, ranking.calibration.windows, ranking.calibration.source) == (None, 0, "index")


def test_a_calibration_of_this_week_is_kept():
    assert learnt(shop(), ranking=RANKING).metadata.ranking == RANKING


def test_an_older_one_is_made_anew(calibrated):
    old = replaced(RANKING, at_s=NOW_S - 8 * DAY_S)

    assert learnt(shop(), ranking=old).metadata.ranking == calibrated


def test_when_it_is_turned_off_the_stated_scoring_stands():
    off = recipe(parameters=RECIPE.parameters, scoring=Scoring(scale=0.5), calibrate_every_s=0.0)

    assert learnt(shop(), off, ranking=RANKING).metadata.ranking == Ranking(scoring=Scoring(scale=0.5))


def test_a_part_that_is_switched_off_is_calibrated_without_at_once():
    alone = recipe(parameters=RECIPE.parameters, cut=Cut(20), parts=("neighbours",))

    ranking = learnt(shop(), alone, ranking=RANKING).metadata.ranking

    assert ranking.calibration.at_s == NOW_S
    assert ranking.weights is None or ranking.weights.votes == 0


def test_an_increment_keeps_how_to_rank_and_has_the_votes_of_all_purchases(tmp_path):
    write_snapshot(tmp_path, learnt(shop(), ranking=RANKING), "20261124T101500Z")

    draft = learnt(shop(244), RECIPE, newest_ancestor(tmp_path, versions(tmp_path), None))
    full = learnt(shop(244), ranking=RANKING)

    assert (draft.metadata.kind, draft.metadata.ranking) == ("increment", RANKING)
    assert draft.model.votes.weights.sum() == pytest.approx(full.model.votes.weights.sum(), rel=1e-5)
    assert draft.model.votes.is_sound(len(draft.model.index))


def test_an_increment_of_a_large_catalogue_keeps_the_votes(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "_QUICK_VOTES", 50)
    version, _ = write_snapshot(tmp_path, learnt(shop(), ranking=RANKING), "20261124T101500Z")

    draft = learnt(shop(244), RECIPE, newest_ancestor(tmp_path, [version], None))

    assert np.array_equal(draft.model.votes.weights, open_snapshot(tmp_path, version).model.votes.weights)
    assert draft.model.votes.is_sound(len(draft.model.index))


def test_the_votes_of_a_large_catalogue_are_learnt_anew_when_too_many_products_have_none(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "_QUICK_VOTES", 50)
    monkeypatch.setattr(learning, "_MOST_VOTELESS", -0.01)
    version, _ = write_snapshot(tmp_path, learnt(shop(), ranking=RANKING), "20261124T101500Z")

    draft = learnt(shop(244), RECIPE, newest_ancestor(tmp_path, [version], None))

    assert not np.array_equal(draft.model.votes.weights, open_snapshot(tmp_path, version).model.votes.weights)


def test_the_votes_are_learnt_where_they_weigh_something_and_only_there():
    silenced = replaced(RANKING, weights=Weights(votes=0.0))

    assert learnt(shop(), ranking=RANKING).model.votes.weights.any()
    assert not learnt(shop(), ranking=silenced).model.votes.weights.any()


def test_the_same_purchases_give_the_same_ranking(calibrated):
    assert learnt(shop()).metadata.ranking == calibrated


def replaced(ranking, *, at_s=None, weights=None):
    made = ranking.calibration
    return Ranking(
        scoring=ranking.scoring,
        weights=weights or ranking.weights,
        calibration=CalibrationReport(
            source=made.source, windows=2, customers=90, ndcg=made.ndcg, at_s=made.at_s if at_s is None else at_s
        ),
    )
