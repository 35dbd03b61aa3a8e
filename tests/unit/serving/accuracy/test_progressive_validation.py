"""Live accuracy on the small shop: what is compared, what is not, and what the metrics say of it."""

import pytest

from consumers.observability.brand_labels import BrandLabels
from model.purchases.changes import LogRecord
from model.store.schema import StoreUnavailable
from serving.accuracy.progressive_validation import LiveValidation
from serving.accuracy.sampling import Allowance
from tests.builders.small_shop import CAMPING, NOW_S, TEA, purchase

LEARNT = 460  # purchases that the small shop's model has learnt from


@pytest.fixture
def validation(shop):
    return validation_of(shop)


def validation_of(shop, **changed):
    shop.metrics.brand_label = BrandLabels(2)
    given = {
        "store": shop.store,
        "models": shop.models,
        "answer": shop.recommender.answer,
        "metrics": shop.metrics,
        "is_news": lambda _partition, _offset: True,
        "k": 3,
        "allowance": Allowance(1000),
        "window": 100,
        "clock_s": lambda: 0.0,
    }
    return LiveValidation(**given | changed)


def records(*purchases, offset=LEARNT):
    return [LogRecord(0, offset + i, one) for i, one in enumerate(purchases)]


def metric(shop, name, **labels):
    return shop.metrics.registry.get_sample_value(f"alsobought_{name}", labels)


def pair(shop, name, brand="none"):
    return tuple(metric(shop, name, by=by, brand=brand) for by in ("model", "popularity"))


def new_to(shop, profile, products):
    """Those of `products` that the customer has not bought."""
    owned = {shop.product(number).product_id for number in shop.store.histories([profile]).products}
    return [product for product in products if product not in owned]


def test_the_small_shop_has_as_many_purchases_as_these_tests_believe(shop):
    assert shop.store.next_offset(0) == LEARNT


def test_a_purchase_is_compared_with_the_answer_and_with_what_sells(shop, validation):
    first = shop.ids(shop.ask("c-0", k=3))[0]

    validation.compare(records(purchase("c-0", first)))

    assert metric(shop, "judged_purchases_total", brand="none") == 1
    assert pair(shop, "hits_total")[0] == 1
    assert pair(shop, "reciprocal_ranks_total")[0] == 1.0


def test_the_popular_list_is_the_one_that_a_request_would_get(shop, validation):
    popular = shop.ids(shop.ask("c-0", kind="popular", k=3))

    validation.compare(records(purchase("c-0", popular[1])))

    assert pair(shop, "reciprocal_ranks_total")[1] == 0.5


def test_the_model_is_better_than_what_sells_where_customers_have_interests(shop, validation):
    for number in range(100):
        group = (TEA, CAMPING)[number % 2]
        bought = new_to(shop, f"c-{number}", group)
        validation.compare(records(purchase(f"c-{number}", *bought[:1])) if bought else [])

    by_model, by_popularity = pair(shop, "hit_rate", brand="*")
    assert by_model > by_popularity


def test_products_bought_before_do_not_count_as_hits(shop, validation):
    owned = shop.names([int(shop.store.histories(["c-0"]).products[0])])[0]

    validation.compare(records(purchase("c-0", owned, "never-seen")))

    assert (pair(shop, "hits_total"), metric(shop, "judged_purchases_total", brand="none")) == ((0, 0), 1)


def test_a_purchase_of_nothing_new_is_counted_apart(shop, validation):
    owned = shop.names([int(shop.store.histories(["c-0"]).products[0])])[0]

    validation.compare(records(purchase("c-0", owned)))

    assert metric(shop, "repurchases_total", brand="none") == 1
    assert metric(shop, "judged_purchases_total", brand="none") is None


def test_a_product_that_nobody_knows_is_a_miss_and_is_said(shop, validation):
    validation.compare(records(purchase("c-0", "never-seen")))

    assert metric(shop, "judged_purchases_total", brand="none") == 1
    assert metric(shop, "judged_unknown_total", brand="none") == 1
    assert pair(shop, "hit_rate") == (0, 0)


def test_a_new_customer_is_not_compared(shop, validation):
    validation.compare(records(purchase("nobody", "tea")))

    assert metric(shop, "judged_purchases_total", brand="none") is None


def test_nothing_is_compared_before_a_model_answers(untrained_shop):
    validation_of(untrained_shop).compare(records(purchase("c-0", "never-seen")))

    assert metric(untrained_shop, "judged_purchases_total", brand="none") is None


def test_history_that_is_read_again_is_not_compared(shop):
    restoring = validation_of(shop, is_news=lambda _partition, offset: offset >= LEARNT + 2)

    restoring.compare(records(*(purchase(f"c-{number}", "never-seen") for number in range(5))))

    assert metric(shop, "judged_purchases_total", brand="none") == 3


def test_what_the_model_has_learnt_from_is_not_compared(shop, validation):
    validation.compare(records(purchase("c-0", "never-seen"), purchase("c-1", "never-seen"), offset=LEARNT - 1))

    assert metric(shop, "judged_purchases_total", brand="none") == 1


def test_an_old_purchase_that_is_new_in_the_topic_is_compared(shop, validation):
    validation.compare(records(purchase("c-0", "never-seen", time_s=NOW_S - 10**7)))

    assert metric(shop, "judged_purchases_total", brand="none") == 1


def test_a_brand_is_asked_for_its_own_products_and_counted_by_its_name(shop, validation):
    (first, *_) = shop.ids(shop.ask("b-0", brand_id="acme", k=3))

    validation.compare(records(purchase("b-0", first.removeprefix("acme/"), brand="acme")))

    assert pair(shop, "reciprocal_ranks_total", brand="acme")[0] == 1.0
    assert pair(shop, "hit_rate", brand="*")[0] == 1.0
    assert pair(shop, "hit_rate", brand="none") == (None, None)


def test_brands_beyond_the_limit_are_counted_together(shop, validation):
    validation.compare(records(*(purchase(f"c-{n}", "x", brand=f"brand-{n}") for n in range(4))))

    counts = [metric(shop, "judged_purchases_total", brand=name) for name in ("brand-0", "brand-1", "other")]
    assert counts == [1, 1, 2]


def test_under_load_no_more_than_the_allowance_is_compared(shop):
    sparing = validation_of(shop, allowance=Allowance(5))

    sparing.compare(records(*(purchase(f"c-{number}", "never-seen") for number in range(100))))
    sparing.compare(records(*(purchase(f"c-{number}", "never-seen") for number in range(100))))

    assert metric(shop, "judged_purchases_total", brand="none") == 5


def test_comparing_changes_nothing_that_is_stored(shop, validation):
    before = shop.ids(shop.ask("c-0"))

    validation.compare(records(purchase("c-0", "never-seen")))

    assert shop.ids(shop.ask("c-0")) == before
    assert shop.store.number_of("", "never-seen") is None


def test_a_failure_keeps_no_purchase_from_being_stored(shop):
    def broken(_requests):
        raise ValueError("a fault")

    failing = validation_of(shop, answer=broken)

    failing.compare(records(purchase("c-0", "never-seen")))

    assert metric(shop, "judged_purchases_total", brand="none") is None


def test_a_store_that_can_not_be_read_stops_the_loop_as_everywhere(shop):
    def gone(_requests):
        raise StoreUnavailable("the disk is gone")

    with pytest.raises(StoreUnavailable):
        validation_of(shop, answer=gone).compare(records(purchase("c-0", "never-seen")))
