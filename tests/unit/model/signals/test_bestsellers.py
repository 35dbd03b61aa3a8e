import numpy as np

from model.purchases.histories import DAY_S
from model.signals.bestsellers import Bestsellers
from model.signals.demand import Demand

NOW = 20_000 * DAY_S


def sold(demand, counts, ago=0):
    products = np.repeat(list(counts), list(counts.values()))
    demand.add(products, np.full(len(products), NOW - ago * DAY_S))


def best(demand, allowed=None):
    """The definition, without any cleverness: recent lines, and all lines scaled to 1,000 to 2,000."""
    numbers = [n for n in np.flatnonzero(demand.total).tolist() if allowed is None or n in allowed]
    lines = 2 ** int(demand.total.sum()).bit_length()
    return sorted(numbers, key=lambda n: (-(int(demand.recent[n]) * lines + 2000 * int(demand.total[n])), n))


def test_recent_sales_come_first_then_sales_ever_then_the_number():
    demand = Demand(days=14)
    sold(demand, {1: 5000, 2: 900, 3: 900, 5: 2000}, ago=100)
    sold(demand, {2: 1500, 3: 1500, 4: 2000})

    assert Bestsellers(demand).top(10).tolist() == [4, 2, 3, 1, 5]


def test_few_recent_sales_leave_the_best_sellers_of_all_time_on_top():
    demand = Demand(days=14)
    sold(demand, {4: 1})
    sold(demand, {1: 500, 2: 900, 3: 70}, ago=300)

    assert Bestsellers(demand).top(10).tolist() == [2, 1, 3, 4]


def test_a_purchase_is_in_the_very_next_answer():
    demand = Demand()
    sold(demand, {1: 3, 2: 2})
    popular = Bestsellers(demand)
    before = popular.top(2).tolist()
    sold(demand, {7: 4})

    assert (before, popular.top(2).tolist()) == ([1, 2], [7, 1])


def test_excluded_products_are_replaced_by_the_next_best():
    demand = Demand()
    sold(demand, dict.fromkeys(range(1, 3001), 1))

    assert Bestsellers(demand).top(3, np.arange(1, 2000)).tolist() == [2000, 2001, 2002]


def test_excluding_a_product_that_never_sold_is_no_trouble():
    demand = Demand()
    sold(demand, {1: 1})

    assert Bestsellers(demand).top(3, np.array([9999])).tolist() == [1]


def test_only_sellable_products_are_shown():
    demand = Demand()
    sold(demand, {number: 50 - number for number in range(1, 40)})
    withdrawn = {2, 4}
    popular = Bestsellers(demand, lambda numbers: np.array([n % 2 == 0 and n not in withdrawn for n in numbers], bool))
    before = popular.top(2).tolist()
    withdrawn.add(6)

    assert (before, popular.top(2).tolist()) == ([6, 8], [8, 10])


def test_many_products_withdrawn_at_once_leave_no_gap():
    demand = Demand()
    sold(demand, dict.fromkeys(range(1, 3001), 1))
    refused_below = 0
    popular = Bestsellers(demand, lambda numbers: numbers > refused_below)
    popular.top(5)
    refused_below = 2500

    assert popular.top(2).tolist() == [2501, 2502]


def test_fewer_are_given_when_fewer_ever_sold():
    demand = Demand()

    assert Bestsellers(demand).top(5).tolist() == []


def test_what_sold_long_ago_moves_up_when_better_sellers_fall_out_of_the_window():
    demand = Demand(days=14, enough=1)
    sold(demand, {9000: 50}, ago=100)
    sold(demand, dict.fromkeys(range(2, 1500), 1), ago=13)
    sold(demand, {1: 1_000_000})
    popular = Bestsellers(demand)
    before = popular.top(2).tolist()
    sold(demand, {1: 1}, ago=-1)

    assert (before, popular.top(2).tolist()) == ([1, 2], [1, 9000])


def test_following_event_by_event_equals_sorting_the_whole_catalogue():
    rng = np.random.default_rng(1)
    demand = Demand(days=3, enough=1)
    popular = Bestsellers(demand)
    for day in range(12):
        for _ in range(5):
            sold(
                demand,
                {int(n): int(c) for n, c in zip(rng.integers(1, 4000, 300), rng.integers(1, 4, 300), strict=True)},
                20 - day,
            )

            assert popular.top(50).tolist() == best(demand)[:50]
    assert popular.top(3000).tolist() == best(demand)[:3000]


def test_an_order_that_keeps_up_is_not_worked_out_anew_from_the_whole_catalogue():
    demand, looked_at = Demand(), []

    def sellable(products):
        looked_at.append(len(products))
        return np.ones(len(products), bool)

    sold(demand, dict.fromkeys(range(1, 20_001), 1))
    popular = Bestsellers(demand, sellable)
    popular.top(10)
    looked_at.clear()
    for number in range(1, 1001):
        sold(demand, {number: 2})
        popular.keep_up()

    assert popular.top(1001).tolist() == [*range(1, 1001), 1001]
    assert max(looked_at) < 5000
