"""Customers' numbers are kept in memory while there is room, and nobody is taken for new who is in the file."""

from model.purchases.changes import LogRecord, Purchase
from model.store.customer_numbers import CustomerNumbers
from model.store.writer import Store


def test_a_profile_has_a_number_in_each_log():
    numbers = CustomerNumbers(room=9)

    numbers.add([("ada", 1, 7), ("ada", 2, 8), ("bob", 1, 9)])

    assert (numbers.of_log(1), numbers.of_log(2)) == ({"ada": 7, "bob": 9}, {"ada": 8})
    assert numbers.everywhere("ada") == [7, 8]


def test_who_was_dropped_has_no_number_in_any_log():
    numbers = CustomerNumbers(room=9)
    numbers.add([("ada", 1, 7), ("ada", 2, 8)])

    numbers.drop(["ada", "nobody"])

    assert numbers.everywhere("ada") == []


def test_beyond_the_room_all_are_forgotten_and_the_file_has_to_be_asked():
    numbers = CustomerNumbers(room=1)
    numbers.add([("ada", 1, 7), ("bob", 1, 8)])

    numbers.make_room()

    assert (numbers.of_log(1), numbers.complete) == ({}, False)


def test_a_customer_keeps_the_history_when_the_number_is_no_longer_in_memory(tmp_path):
    store = Store(tmp_path / "store.db", customers_in_memory=1)
    store.open_log("cluster", "purchases", "id", 0)
    for offset, profile in enumerate(["ada", "bob", "eve", "ada"]):
        store.apply([LogRecord(0, offset, Purchase(profile, "", offset, ("tea",), (1.0,)))])

    assert store.histories(["ada"]).times.tolist() == [0, 3]
    store.close()
