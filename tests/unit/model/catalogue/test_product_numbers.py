import numpy as np
import pytest

from model.catalogue import packed_products, product_numbers
from model.catalogue.product import Product
from model.catalogue.product_numbers import ProductNumbers


@pytest.fixture(params=[32_768, 3], ids=["all kept", "few kept"])
def numbers(request, monkeypatch):
    """With what was asked for lately kept, or hardly any of it."""
    monkeypatch.setattr(product_numbers, "_KEPT", request.param)
    monkeypatch.setattr(packed_products, "_KEPT", request.param)
    monkeypatch.setattr(packed_products, "_LEAST_LOST", 10 * request.param)
    return ProductNumbers()


def test_many_products_are_found_by_name_and_by_number(numbers):
    names = [(brand, f"{kind}-{i}") for i in range(5000) for brand in ("", "acme") for kind in ("p", "茶")]
    numbers.add_all(names, {})

    assert [numbers.number_of(*name) for name in names] == list(range(1, len(names) + 1))
    assert [numbers.by_number[number][:2] for number in range(1, len(numbers))] == names
    assert [product[:2] for product in numbers.by_number[1:]] == names
    assert [product[:2] for product in numbers.by_number] == [("", ""), *names]


def test_what_is_no_product_has_no_number(numbers):
    numbers.add_all([("acme", "tea"), ("", "teapot")], {})

    asked = [("", "tea"), ("acme", "teapot"), ("acme", "te"), ("acme", ""), ("zeta", "tea"), ("", "")]
    assert [numbers.number_of(*name) for name in asked] == [None] * len(asked)
    assert numbers.brands_of("tea") == ["acme"]
    numbers.add(Product("", "tea"))
    assert numbers.number_of("", "tea") == 3


def test_what_the_catalogue_says_replaces_what_it_said(numbers):
    numbers.add(Product("", "tea"), paid=4.0)
    assert (numbers.by_number[1].title, numbers.price_of(1)) == (None, 4.0)

    assert numbers.list(Product("", "tea", 2.5, "Tee", "Küche", withdrawn=True)) == 1
    assert numbers.by_number[1] == Product("", "tea", 2.5, "Tee", "Küche", withdrawn=True)
    assert numbers.price_of(1) == 2.5
    assert numbers.number_of("", "tea") == 1


def test_products_that_change_again_and_again_take_no_more_room(numbers):
    numbers.add_all((("", f"p-{i}") for i in range(100)), {})
    for turn in range(200):
        for i in (0, 50, 99):
            numbers.list(Product("", f"p-{i}", title="t" * (turn % 60)))

    assert len(numbers.by_number._bytes) < 40_000 + 10 * packed_products._KEPT
    assert numbers.by_number[1:] == [
        Product("", f"p-{i}", title="t" * (199 % 60) if i in {0, 50, 99} else None) for i in range(100)
    ]
    assert [numbers.number_of("", f"p-{i}") for i in range(100)] == list(range(1, 101))


def test_no_price_is_known_before_one_is_paid(numbers):
    numbers.add(Product("", "tea"))
    assert numbers.price_of(1) is None

    assert numbers.changed({1: 3.0}) == {1: 3.0}
    numbers.pay({1: 3.0})
    assert (numbers.price_of(1), numbers.changed({1: 3.0})) == (3.0, {})


def test_numbers_of_arrays_find_products(numbers):
    numbers.add(Product("", "tea"))

    assert numbers.by_number[np.int32(1)].product_id == "tea"
