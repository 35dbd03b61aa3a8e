"""What was read lately is kept in bounded memory; what is asked for stays, and made-up names push out nobody."""

import numpy as np

from model.store.history_cache import NOBODY, HistoryCache, entry_of, histories_from

LIMIT = 2**20


def lines(*products):
    return np.array([(product, 1000 + product) for product in products], np.uint32).tobytes()


def test_entries_become_the_histories_they_were_made_of():
    histories = histories_from([entry_of(7, lines(1, 2, 3)), NOBODY, entry_of(9, b""), entry_of(4, lines(5))])

    assert histories.customers.tolist() == [7, 0, 9, 4]
    assert histories.starts.tolist() == [0, 3, 3, 3, 4]
    assert histories.products.tolist() == [1, 2, 3, 5]
    assert histories.times.tolist() == [1001, 1002, 1003, 1005]


def test_one_entry_and_none_are_histories_too():
    one, none = histories_from([entry_of(7, lines(1, 2))]), histories_from([])

    assert (one.customers.tolist(), one.starts.tolist(), one.products.tolist()) == ([7], [0, 2], [1, 2])
    assert (none.customers.tolist(), none.starts.tolist(), none.products.tolist()) == ([], [0], [])


def test_what_is_dropped_or_cleared_is_not_found():
    cache = HistoryCache(LIMIT)
    cache.keep({name: entry_of(number, lines(number)) for number, name in enumerate("abc", 1)})
    cache.drop(["b", "nobody"])
    found = cache.find(["a", "b", "c"])
    cache.clear()

    assert found == [entry_of(1, lines(1)), None, entry_of(3, lines(3))]
    assert cache.find(["a", "b", "c"]) == [None] * 3
    assert cache.used_bytes == 0


def test_memory_is_bounded_and_counted_and_what_is_asked_for_stays():
    cache = HistoryCache(LIMIT)
    asked = {f"asked-{at}": entry_of(1 + at, lines(at)) for at in range(50)}
    cache.keep(asked)
    used = []
    for at in range(0, 40_000, 100):
        cache.keep({f"seldom-{n}": entry_of(100 + n, lines(n, n)) for n in range(at, at + 100)})
        assert cache.find(list(asked)) == list(asked.values())
        used.append(cache.used_bytes)

    assert LIMIT / 2 < max(used) <= LIMIT
    assert cache.find(["seldom-0"]) == [None]
    for part in cache._parts:
        entries = [*part.newer.items(), *part.older.items()]
        assert part.newer_bytes + part.older_bytes == sum(
            name.__sizeof__() + entry.__sizeof__() + 48 for name, entry in entries
        )


def test_names_of_nobody_take_no_memory_and_push_out_no_customer():
    cache = HistoryCache(LIMIT)
    cache.keep({"ada": entry_of(1, lines(1))})
    used = cache.used_bytes
    for at in range(0, 50_000, 250):
        cache.keep({f"made-up-{n}": NOBODY for n in range(at, at + 250)})

    assert cache.used_bytes == used
    assert cache.find(["ada"]) == [entry_of(1, lines(1))]


def test_a_history_larger_than_its_share_and_a_cache_of_no_bytes_keep_nothing():
    small, none = HistoryCache(LIMIT), HistoryCache(0)
    small.keep({"large": entry_of(1, lines(*range(10_000)))})
    none.keep({"ada": entry_of(1, lines(1))})

    assert small.find(["large"]) == [None]
    assert none.find(["ada"]) == [None]
    assert small.used_bytes == none.used_bytes == 0
