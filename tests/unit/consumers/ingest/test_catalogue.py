"""Catalogue records into the store: what one batch says, in its order."""

import pytest

from consumers.ingest.catalogue import Catalogue
from consumers.kafka.records import Record
from consumers.observability.metrics import Metrics
from model.purchases.changes import LogRecord, Purchase
from model.store.writer import Store


class Letters:
    def __init__(self):
        self.kept = []

    def deliver(self, letters):
        self.kept += letters


@pytest.fixture
def catalogue(tmp_path):
    store = Store(tmp_path / "alsobought.db")
    yield Catalogue(store, Letters(), Metrics(), "cluster", "catalog")
    store.close()


def records(*values):
    return [Record("catalog", 0, offset, b"tea", value) for offset, value in enumerate(values)]


def test_a_null_value_withdraws_what_the_same_batch_has_just_listed(catalogue):
    catalogue.take(records(b'{"product_id": "tea", "brand_id": "acme"}', None))

    assert [product.withdrawn for product in catalogue.store.products()[1:]] == [True]


def test_a_product_that_is_withdrawn_before_its_first_purchase_is_read_stays_so(catalogue):
    catalogue.take(records(None))
    catalogue.store.open_log("cluster", "purchases", "id", 0)
    catalogue.store.apply([LogRecord(0, 0, Purchase("c-1", "", 1000, ("tea",), (1.0,), "o-1"))])

    assert [(product.product_id, product.withdrawn) for product in catalogue.store.products()[1:]] == [("tea", True)]


def test_what_is_listed_again_after_a_null_value_is_there_again(catalogue):
    catalogue.take(records(b'{"product_id": "tea"}', None, b'{"product_id": "tea", "title": "Tea"}'))

    assert [(product.title, product.withdrawn) for product in catalogue.store.products()[1:]] == [("Tea", False)]


def test_how_far_it_was_read_counts_bad_records_too(catalogue):
    catalogue.take(records(b"{}", b"no JSON"))

    assert catalogue.store.catalogue_positions() == {"cluster/catalog/0": 2}
    assert [letter.reason for letter in catalogue.dead_letters.kept] == ["missing_field", "not_json"]


def test_numeric_ids_and_titles_and_a_price_in_text_are_taken(catalogue):
    value = b'{"product_id": 42, "brand_id": 7, "title": 1984, "price": "4.50", "withdrawn": "true"}'
    catalogue.take(records(value))

    (product,) = catalogue.store.products()[1:]
    assert product == ("7", "42", 4.5, "1984", None, True)


@pytest.mark.parametrize(
    "value", [b'{"product_id": 4.5}', b'{"product_id": true}', b'{"product_id": "a", "price": "4,5"}']
)
def test_what_may_be_mistaken_is_not_taken(catalogue, value):
    catalogue.take(records(value))

    assert [letter.reason for letter in catalogue.dead_letters.kept] == ["wrong_type"]
