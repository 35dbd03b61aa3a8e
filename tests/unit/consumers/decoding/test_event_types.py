"""Types of events as other systems spell them: which are purchases, which may be shown."""

import pytest

from consumers.decoding.event_types import PurchaseTypes, is_taken_back, shown_type

DEFAULT = PurchaseTypes()


@pytest.mark.parametrize(
    "event_type",
    [
        *("purchase", "Purchase", "PURCHASE", "com.shop.purchase", "ecommerce/purchase.v2", "ProductPurchased"),
        *("com.shop.order.placed", "OrderPlaced", "OrderPlacedEvent", "order_placed", "order-placed", "orders/paid"),
        *("Order Completed", "com.example.order.paid.v1.0", "urn:shop:order:placed"),
    ],
)
def test_what_reads_as_a_purchase_is_one_however_it_is_written(event_type):
    assert DEFAULT.takes(event_type)


@pytest.mark.parametrize(
    "event_type",
    [
        *("com.shop.order.cancelled", "OrderCanceled", "order.refunded", "order.returned", "order.shipped", "refund"),
        *(
            "cancelled.purchase",
            "com.shop.refund.purchase",
            "purchase.cancelled",
            "order.placed.failed",
            "cart.updated",
        ),
        *("order", "placed", "x", "", "...", "replaced", "purchaser", "order.created", "x" * 300 + ".order.placed"),
    ],
)
def test_what_does_not_is_none(event_type):
    assert not DEFAULT.takes(event_type)


def test_a_named_type_is_taken_by_its_last_words():
    types = PurchaseTypes(("order.created",))

    assert types.takes("com.shop.OrderCreated")
    assert types.takes("purchase")
    assert not types.takes("com.shop.order.placed")


def test_a_star_takes_every_type():
    assert PurchaseTypes(("*",)).takes("com.shop.order.cancelled")


def test_the_types_that_were_taken_are_known_and_stay_few():
    types = PurchaseTypes(("*",))
    for number in range(100):
        types.takes(f"order.placed.by-{number}")

    assert 0 < len(types.taken) <= 20


@pytest.mark.parametrize("word", ["cancelled", "CANCELED", "OrderRefunded", "returns", "payment_failed", "chargeback"])
def test_words_that_take_an_order_back_are_known(word):
    assert is_taken_back(word)


@pytest.mark.parametrize("word", ["paid", "shipped", "open", "", None, 5, ["cancelled"], "returning customers"])
def test_other_words_take_nothing_back(word):
    assert not is_taken_back(word)


@pytest.mark.parametrize(
    "event_type", ["+49 170 1234567", "call 0170/1234567", "evil\x1b[2J", "naïve", "x" * 99, "7up"]
)
def test_what_may_be_anything_is_not_shown(event_type):
    assert shown_type(event_type) == "other"
