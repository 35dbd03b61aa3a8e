"""What replies say of a product is kept as text, follows the catalogue and the prices paid, and is bounded."""

import pytest

from model.catalogue.product import Product
from model.purchases.changes import LogRecord
from serving.protocol.shown_products import ShownProducts
from tests.builders.small_shop import SmallShop, purchase


@pytest.fixture
def shown(shop: SmallShop):
    return ShownProducts(shop.store.products(), shop.store.price_of)


def buy(shop, product, price):
    applied = shop.store.apply([LogRecord(0, shop.store.next_offset(0), purchase("ada", product, price=price))])
    return applied.products.tolist()


def test_a_price_that_was_paid_is_told_from_then_on(shop, shown):
    number = shop.store.number_of("", "tea")
    assert '"price":2.5,' in shown.begins[number]

    shown.paid(buy(shop, "tea", 2.08))

    assert '"price":2.08,' in shown.begins[number]


def test_what_was_bought_for_the_same_price_stays(shop, shown):
    number = shop.store.number_of("", "tea")
    before = shown.begins[number]

    shown.paid(buy(shop, "tea", 2.5))

    assert shown.begins[number] is before


def test_a_price_of_the_catalogue_stands_whatever_is_paid(shop, shown):
    number = shop.store.number_of("", "kettle")
    before = shown.begins[number]

    shown.paid(buy(shop, "kettle", 1.0))

    assert shown.begins[number] is before
    assert '"price":20.0,' in before


def test_new_words_of_the_catalogue_are_told_at_once(shop, shown):
    number = shop.store.number_of("", "tea")
    assert '"title":null' in shown.begins[number]

    shown.changed(shop.store.list_products([Product("", "tea", 3.0, 'Ceylon "OP"')], {}))
    with_price = shown.begins[number]
    shown.changed(shop.store.list_products([Product("", "tea", None, "Ceylon")], {}))

    assert '"title":"Ceylon \\"OP\\"","category":null,"price":3.0,' in with_price
    assert '"title":"Ceylon","category":null,"price":2.5,' in shown.begins[number]


def test_what_is_kept_is_bounded_and_told_again_when_it_is_shown_again():
    products = [Product("", f"p-{number}", title="t" * 100) for number in range(1000)]
    shown = ShownProducts(products, lambda _: 1.0, most_bytes=20_000)

    texts = [shown.begins[number] for number in range(1000)]

    assert len(shown.begins) < 100
    assert [shown.begins[number] for number in range(1000)] == texts
    assert len(shown._paid) < 100


def test_no_product_is_no_reason(shown):
    assert shown.ids[0] == ""
