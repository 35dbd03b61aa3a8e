from collections import Counter

import numpy as np
import pytest

from model.purchases.histories import DAY_S
from model.signals.bestsellers import Bestsellers
from model.signals.demand import Demand, now_of

NOW = 20_000 * DAY_S + 3600  # some morning


def add(demand, *lines):
    """Lines are (product, days ago, how many)."""
    products = [product for product, _, count in lines for _ in range(count)]
    times = [NOW - ago * DAY_S for _, ago, count in lines for _ in range(count)]
    return demand.add(np.array(products, np.uint32), np.array(times, np.uint32)).tolist()


def test_lines_count_in_total_and_while_recent_in_the_window():
    demand = Demand(days=14, enough=1)
    add(demand, (1, 0, 3), (2, 13, 2), (2, 14, 4))

    assert demand.total[[1, 2]].tolist() == [3, 6]
    assert demand.recent[[1, 2]].tolist() == [3, 2]


def test_a_late_line_older_than_the_window_counts_in_total_only():
    demand = Demand(days=14, enough=1)
    add(demand, (1, 0, 1))
    add(demand, (2, 40, 1))

    assert (demand.total[2], demand.recent[2]) == (1, 0)


def test_lines_leave_the_window_as_days_pass():
    demand = Demand(days=3, enough=1)
    recent = []
    for ago in range(6, -1, -1):
        add(demand, (1, ago, 7 - ago))
        recent.append(int(demand.recent[1]))

    assert recent == [1, 3, 6, 9, 12, 15, 18]


def test_a_long_silence_empties_the_window():
    demand = Demand(days=3, enough=1)
    add(demand, (1, 300, 5))
    add(demand, (2, 0, 1))

    assert demand.recent[[1, 2]].tolist() == [0, 1]


def test_counts_equal_those_of_a_plain_recount_whatever_the_order_and_batches():
    rng = np.random.default_rng(3)
    products, times = rng.integers(1, 3000, 20_000), NOW - rng.integers(0, 40 * DAY_S, 20_000)
    demand = Demand(days=14, enough=1)
    for start in (0, 7, 19, 500, 12_000):
        stop = {0: 7, 7: 19, 19: 500, 500: 12_000, 12_000: 20_000}[start]
        demand.add(products[start:stop], times[start:stop])

    inside = times // DAY_S > times.max() // DAY_S - 14
    assert Counter(products[inside].tolist()) == Counter({i: int(n) for i, n in enumerate(demand.recent) if n})
    assert Counter(products.tolist()) == Counter({i: int(n) for i, n in enumerate(demand.total) if n})


def test_products_unknown_so_far_are_taken_in_and_never_sold_before():
    demand = Demand(enough=1)
    add(demand, (5000, 0, 1))

    assert demand.total[5000] == 1
    assert demand.bias(np.array([123_456]), 1.0, 0.0) < demand.bias(np.array([5000]), 1.0, 0.0)


def test_the_bias_is_the_published_formula_with_levels_rounded_by_one_percent():
    demand = Demand(days=14, enough=1)
    add(demand, (1, 0, 5), (1, 100, 15), (2, 100, 80))

    share, mean = 5 / 100, (np.log1p(20) + np.log1p(80)) / 2
    expected = [
        0.5 * (np.log1p(20) - mean) + 2 * np.log((5 + 3) / (20 * share + 3)),
        0.5 * (np.log1p(80) - mean) + 2 * np.log((0 + 3) / (80 * share + 3)),
    ]
    np.testing.assert_allclose(demand.bias(np.array([1, 2]), 0.5, 2.0), expected, atol=0.5 * 0.01 + 2 * 0.01)


def test_only_the_products_named_by_add_have_another_bias():
    rng = np.random.default_rng(5)
    demand = Demand(days=14, enough=1)
    everything = np.arange(1, 400)
    demand.add(rng.integers(1, 400, 50_000), NOW - rng.integers(0, 90 * DAY_S, 50_000))
    named = []
    for later in range(40):
        before = demand.bias(everything, 0.5, 1.0)
        changed = demand.add(rng.integers(1, 400, 3), np.full(3, NOW + later * DAY_S // 8))
        moved = everything[demand.bias(everything, 0.5, 1.0) != before]
        named.append(len(changed))

        assert set(moved.tolist()) <= set(changed.tolist())
    assert min(named) <= 3  # most of the time it is not the whole catalogue


def test_what_happened_since_a_change_is_told_until_it_is_too_long_ago():
    demand = Demand(enough=1)
    add(demand, (1, 0, 100), (2, 0, 100), (3, 0, 100))
    seen = demand.changes
    add(demand, (2, 0, 1))
    add(demand, (3, 0, 1))

    assert demand.since(seen).products.tolist() == [2, 3]
    assert demand.since(demand.changes).products.tolist() == []
    for _ in range(300):
        add(demand, (1, 0, 1))
    assert demand.since(seen) is None


def test_forgetting_everything_is_a_change_of_everything():
    demand = Demand(enough=1)
    add(demand, (1, 0, 10))
    seen = demand.changes
    demand.forget()

    assert (demand.since(seen), demand.total.sum()) == (None, 0)


def test_an_empty_batch_changes_nothing():
    demand = Demand(enough=1)
    add(demand, (1, 0, 1))

    assert add(demand) == []
    assert demand.total[1] == 1


def test_a_window_without_days_is_refused():
    with pytest.raises(ValueError, match="days is 0"):
        Demand(days=0, enough=1)


def last_year(random, lines=8000):
    """A shop's lines until a year ago: product 1 sells best, product 400 hardly."""
    products = np.minimum(random.geometric(0.01, lines), 400)
    return products, NOW - random.integers(360 * DAY_S, 500 * DAY_S, lines)


@pytest.mark.parametrize("when_s", [NOW, NOW + 14 * DAY_S, NOW + 300 * DAY_S])
@pytest.mark.parametrize("lines", [1, 7, 99])
def test_few_sales_of_another_time_do_not_move_now(lines, when_s):
    demand = Demand(days=14)
    products, times = last_year(np.random.default_rng(1))
    demand.add(np.full(lines, 400), np.full(lines, when_s))
    demand.add(products, times)

    assert demand.now_s < NOW - 350 * DAY_S
    lately = np.bincount(products[times // DAY_S > demand.now_s // DAY_S - 14], minlength=401)
    lately[400] += lines
    assert demand.recent.tolist() == lately.tolist()


def test_enough_sales_move_now():
    demand = Demand(days=14)
    demand.add(*last_year(np.random.default_rng(1)))
    demand.add(np.full(100, 7), np.full(100, NOW))

    assert (demand.now_s, demand.recent[7], demand.recent.sum()) == (NOW, 100, 100)


def test_one_sale_of_today_does_not_outsell_the_best_sellers_of_last_year():
    demand = Demand(days=14)
    demand.add(*last_year(np.random.default_rng(1)))
    demand.add(np.full(150, 390), np.full(150, NOW))
    demand.add(np.array([399]), np.array([NOW]))
    often, best, once = demand.sales_order(np.array([390, 1, 399])).tolist()

    assert often > best > once
    assert best > often / 50


def test_the_order_of_arrival_changes_nothing():
    for seed in range(40):
        random = np.random.default_rng(seed)
        history, times = last_year(random, int(random.integers(50, 3000)))
        new = int(random.integers(1, 250))
        products = np.concatenate((history, random.integers(1, 401, new)))
        times = np.concatenate((times, NOW + random.integers(-30 * DAY_S, 3 * DAY_S, new)))
        at_once, in_parts = Demand(days=14), Demand(days=14)
        popular = Bestsellers(in_parts)
        at_once.add(products, times)
        order = [np.arange(len(products))[::-1], np.argsort(times), random.permutation(len(products))][seed % 3]
        for part in np.array_split(order, int(random.integers(1, 300))):
            in_parts.add(products[part], times[part])
            popular.top(10)

        everything = np.arange(1, 401)
        assert at_once.now_s == in_parts.now_s == now_of(times)
        assert in_parts.recent.tolist() == at_once.recent.tolist()
        assert in_parts.bias(everything, 0.5, 1.0).tolist() == at_once.bias(everything, 0.5, 1.0).tolist()
        assert popular.top(50).tolist() == Bestsellers(at_once).top(50).tolist()
