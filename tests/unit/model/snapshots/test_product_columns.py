import numpy as np
import pytest

from model.catalogue.product import Product
from model.snapshots.product_columns import Products, columns_of

SHOP = [
    Product("", ""),
    Product("acme", "tea", 2.5),
    Product("", "Tasse für Tee"),
    Product("acme", "茶壺", 12.0),
]
COUNTS = np.array([0, 7, 8, 9], np.uint32)


@pytest.fixture
def columns():
    """Rows are numbers 3, 1 and 2."""
    return columns_of(SHOP, np.array([3, 1, 2]), COUNTS)


def test_a_row_has_its_products_name_number_count_and_price(columns):
    assert columns.names(slice(None)) == [("acme", "茶壺"), ("acme", "tea"), ("", "Tasse für Tee")]
    assert columns.names(slice(1, 3)) == [("acme", "tea"), ("", "Tasse für Tee")]
    assert columns.numbers.tolist() == [3, 1, 2]
    assert columns.counts.tolist() == [9, 7, 8]
    assert columns.prices[:2].tolist() == [12.0, 2.5]
    assert np.isnan(columns.prices[2])


def test_each_brand_knows_its_rows(columns):
    found = {brand: rows.tolist() for brand, rows in columns.rows_of_brands().items()}

    assert found == {"acme": [0, 1], "": [2]}


def test_what_was_written_is_read_back(columns, tmp_path):
    columns.write(tmp_path / "products.npz")
    back = Products.read(tmp_path / "products.npz")

    assert back.is_sound(3)
    assert not back.is_sound(4)
    assert back.names(slice(None)) == columns.names(slice(None))
    assert back.numbers.tolist() == [3, 1, 2]
