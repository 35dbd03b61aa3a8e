"""A purchase of another time does not make everything else old, and the order of arrival decides nothing."""

import shutil
from random import Random

import pytest

from tests.builders.small_shop import DAY_S, NOW_S, announcement, everyday_purchases, open_shop

YEAR_S = 365 * DAY_S
LONE = ("axe", "gong")  # what one customer buys long after all others, the second sold never before


def shop_in_order(folder, models, order, *, later_s, seed=1):
    """A shop that got last year's purchases and one of today in this order, with a model learnt elsewhere."""
    shutil.copytree(models, folder / "models")
    purchases = [(one.profile, one.products, one.brand, one.time_s) for one in everyday_purchases()]
    late = ("eve", LONE, "", NOW_S + later_s)
    arriving = {"first": [late, *purchases], "last": [*purchases, late], "amid": [*purchases, late]}[order]
    if order == "amid":
        Random(seed).shuffle(arriving)
    made = open_shop(folder, with_model=False)
    for profile, products, brand, time_s in arriving:
        made.buy(profile, *products, brand=brand, time_s=time_s)
    made.serve(announcement(folder, 1))
    return made


def told(shop, profile, kind):
    """Scores by product, and the scores as they stand."""
    items = shop.ask(profile, kind=kind, k=8).items
    names = shop.names([item.number for item in items])
    return {name: round(item.score, 4) for name, item in zip(names, items, strict=True)}


@pytest.fixture
def models(shop):
    return shop.folder / "models"


@pytest.mark.parametrize("later_s", [YEAR_S, 10 * DAY_S])
@pytest.mark.slow("builds a shop for each order of arrival")
def test_the_order_in_which_history_and_today_arrive_changes_no_answer(models, tmp_path, later_s):
    shops = [shop_in_order(tmp_path / order, models, order, later_s=later_s) for order in ("first", "last", "amid")]

    for kind in ("recs", "popular", "similar"):
        for profile in ("c-0", "c-1", "eve", "nobody"):
            first, last, amid = (told(one, profile, kind) for one in shops)
            assert first == last == amid


def test_one_purchase_of_today_leaves_the_best_sellers_their_scores(models, tmp_path):
    shop = shop_in_order(tmp_path / "shop", models, "first", later_s=YEAR_S)

    popular = told(shop, "nobody", "popular")

    assert "gong" not in popular
    assert min(popular.values()) > 0.3
    assert popular[next(iter(popular))] == 1.0


def test_a_purchase_of_a_wrong_clock_leaves_what_sold_lately_as_it_was(models, tmp_path):
    shop = shop_in_order(tmp_path / "shop", models, "last", later_s=YEAR_S)

    assert shop.demand.now_s // DAY_S == NOW_S // DAY_S
    recent = shop.demand.recent
    assert recent.sum() > 100
