"""Peers: each one learns a shop whose answer is known, and none shows what the customer has."""

import numpy as np
import pytest

from model.evaluation.baselines import (
    Material,
    als,
    bestsellers,
    bpr,
    by_recency,
    ease_spread,
    item_knn_spread,
    plain_item2vec,
    recommend,
)
from model.evaluation.boosted_baselines import boosted, tuned
from model.offline.splits import Cut, split
from tests.builders.shop_histories import group_of, shop_histories

POSITIONS = np.arange(60)


@pytest.fixture(scope="module")
def material():
    return Material.of(shop_histories()[0])


def in_own_group(material, scorer):
    shown = recommend(material, scorer, POSITIONS, 1)[:, 0]
    return float(np.mean(group_of(shown) == POSITIONS % 4))


def test_ease_offers_customers_their_own_group(material):
    assert in_own_group(material, by_recency(material, ease_spread(material, 20.0))) > 0.95


def test_ease_by_size_does_too(material):
    assert in_own_group(material, by_recency(material, ease_spread(material, 20.0, power=0.5), 0.9)) > 0.95


def test_item_knn_does_too(material):
    assert in_own_group(material, by_recency(material, item_knn_spread(material, 20))) > 0.95


def test_als_does_too(material):
    assert in_own_group(material, als(8)(material, 1)) > 0.9


def test_bpr_learns_without_an_error(material):
    assert in_own_group(material, bpr(8)(material, 1)) > 0.25


def test_plain_item2vec_shows_only_what_it_has_a_vector_for(material):
    shown = recommend(material, plain_item2vec(material, 1), POSITIONS, 5)

    assert (shown > 0).all()


def test_best_sellers_are_the_same_for_all_but_for_what_they_have(material):
    shown = recommend(material, bestsellers(None)(material, 1), POSITIONS, 60, repeat=True)

    assert (shown == shown[0]).all()


def test_what_was_bought_is_not_shown_and_short_lists_are_filled_up(material):
    shown = recommend(material, bestsellers(7)(material, 1), POSITIONS, 60)
    for i in POSITIONS:
        mine = material.bought.products[material.bought.starts[i] : material.bought.starts[i + 1]]
        assert not set(shown[i].tolist()) & set(mine.tolist())
        assert (shown[i] == -1).sum() == len(mine)


def test_a_tuned_peer_is_no_worse_than_the_plain_one_on_its_windows():
    histories, _ = shop_histories()
    splits = Cut(20).windows(histories, 0, 2)
    boost = tuned(ease_spread, (5.0, 50.0), splits)
    material = Material.of(split(histories, Cut(20)).train)

    assert boost.setting in (5.0, 50.0)
    assert in_own_group(material, boosted(material, ease_spread(material, boost.setting), boost)) > 0.9
