"""The made-up shop: what belongs together is bought together, and the same seed makes the same year."""

import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import combinations

import msgspec
import pytest

from consumers.decoding.purchases import PurchaseDecoder
from serving.demo.shop import Shop

END = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop():
    return Shop()


@pytest.fixture(scope="module")
def year(shop):
    return list(shop.purchases(END))


def month_of(purchase):
    return datetime.fromisoformat(purchase["occurred_at"]).month


def test_the_same_seed_makes_the_same_year(year):
    assert list(Shop().purchases(END)) == year


def test_as_of_one_day_the_same_orders_come_whenever_the_year_ends(year):
    half_a_year = timedelta(days=183)

    later = list(Shop().purchases(END + half_a_year, as_of=END))

    assert [{**order, "occurred_at": None} for order in later] == [{**order, "occurred_at": None} for order in year]
    assert {
        datetime.fromisoformat(after["occurred_at"]) - datetime.fromisoformat(before["occurred_at"])
        for before, after in zip(year, later, strict=True)
    } == {half_a_year}


def test_another_seed_makes_another_year(year):
    assert list(Shop(seed=2).purchases(END)) != year


def test_the_shop_has_names_for_about_two_hundred_products(shop):
    catalog = shop.catalog()

    assert 150 <= len(catalog) <= 250
    assert len({record["title"] for record in catalog}) == len(catalog)
    assert all(record["price"] > 0 and record["category"] for record in catalog)


def test_every_product_belongs_to_a_group_and_some_to_two(shop):
    groups = Counter(len(shop.goes_with(product_id)) for product_id in shop.products)

    assert set(groups) == {1, 2}
    assert shop.goes_with("head-torch") == {"camping", "hiking"}


def test_purchases_come_in_time_order_over_a_year_that_ends_at_the_end(year):
    times = [datetime.fromisoformat(purchase["occurred_at"]) for purchase in year]

    assert times == sorted(times)
    assert times[-1] == END
    assert timedelta(days=360) < END - times[0] <= timedelta(days=365)


def test_sizes_are_as_asked():
    orders = list(Shop(customers=20, orders=300).purchases(END))

    assert len(orders) == 300
    assert len({order["profile_id"] for order in orders}) == 20


def test_the_service_takes_every_purchase(year):
    decoder = PurchaseDecoder()
    for purchase in year[:500]:
        profile = purchase["profile_id"]
        assert (
            decoder.decode(profile.encode(), msgspec.json.encode(purchase), {}, 0, END.timestamp()).profile == profile
        )


def test_event_ids_are_all_different(year):
    assert len({purchase["event_id"] for purchase in year}) == len(year)


def test_baskets_have_one_to_five_different_products(year):
    sizes = Counter(len(purchase["items"]) for purchase in year)

    assert set(sizes) == {1, 2, 3, 4, 5}
    assert all(len({item["product_id"] for item in p["items"]}) == len(p["items"]) for p in year)


def test_tents_sell_in_summer_and_fairy_lights_in_winter(year):
    months = defaultdict(Counter)
    for purchase in year:
        for item in purchase["items"]:
            months[item["product_id"]][month_of(purchase)] += 1

    tents, lights = months["two-person-tent"], months["fairy-lights"]
    assert sum(tents[m] for m in (6, 7, 8)) > 4 * sum(tents[m] for m in (12, 1, 2))
    assert sum(lights[m] for m in (12, 1, 2, 11)) > 4 * sum(lights[m] for m in (5, 6, 7, 8))


def test_what_is_used_up_is_bought_again_and_a_teapot_is_not(year):
    bought = Counter((p["profile_id"], item["product_id"]) for p in year for item in p["items"])
    again = Counter(product_id for (_, product_id), times in bought.items() if times > 1)

    assert again["earl-grey-tea"] > 20
    assert again["glass-teapot"] < 5


def test_a_few_products_sell_most(year):
    sold = Counter(item["product_id"] for p in year for item in p["items"])
    by_rank = [count for _, count in sold.most_common()]

    assert sum(by_rank[: len(by_rank) // 5]) > 0.4 * sum(by_rank)


def test_counting_what_is_bought_together_puts_the_same_group_first(shop, year):
    together = defaultdict(Counter)
    for purchase in year:
        for a, b in combinations([item["product_id"] for item in purchase["items"]], 2):
            together[a][b] += 1
            together[b][a] += 1

    sensible = [bool(shop.goes_with(a) & shop.goes_with(b)) for a in together for b, _ in together[a].most_common(3)]

    assert len(together) == len(shop.products)
    assert sum(sensible) / len(sensible) > 0.99


def test_a_customer_keeps_to_a_few_groups(shop, year):
    lines = defaultdict(Counter)
    for purchase in year:
        for item in purchase["items"]:
            lines[purchase["profile_id"]].update(shop.goes_with(item["product_id"]))

    shares = [sum(n for _, n in groups.most_common(4)) / groups.total() for groups in lines.values()]

    assert sum(shares) / len(shares) > 0.9


def test_ten_thousand_orders_take_less_than_a_second():
    started = time.process_time()
    orders = sum(1 for _ in Shop(orders=10_000).purchases(END))

    assert orders == 10_000
    assert time.process_time() - started < 1


def test_an_unknown_product_goes_with_nothing_and_is_called_by_its_id(shop):
    assert shop.goes_with("ada") == frozenset()
    assert shop.title("ada") == "ada"
