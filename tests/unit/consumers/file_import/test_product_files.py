"""Products out of files: records for the catalogue."""

import json
from pathlib import Path

import pytest

from consumers.file_import.product_files import ProductColumns, open_products
from consumers.file_import.tables import UnreadableFile


def read(path: Path, columns: ProductColumns | None = None, **options) -> list[dict]:
    with open_products(path, columns, **options) as file:
        return [json.loads(record.value) for batch in file.batches(2) for record in batch]


@pytest.fixture
def csv(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "products.csv"
        path.write_text(text)
        return path

    return write


def test_a_row_becomes_a_record_with_what_is_known(csv):
    path = csv("product_id,title,category,price\n007, Tea ,kitchen,4.5\n008,Teapot,,\n")

    assert read(path) == [
        {"product_id": "007", "title": "Tea", "category": "kitchen", "price": 4.5},
        {"product_id": "008", "title": "Teapot"},
    ]


def test_the_key_is_the_product_id(csv):
    with open_products(csv("product_id\n007\n")) as file:
        (batch,) = file.batches()

    assert batch[0].key == b"007"


def test_the_order_of_the_file_is_kept_so_that_the_later_row_wins(csv):
    path = csv("product_id,title\na,old\nb,x\na,new\n")

    assert [(record["product_id"], record["title"]) for record in read(path)] == [
        ("a", "old"),
        ("b", "x"),
        ("a", "new"),
    ]


def test_a_brand_can_be_given_for_all_rows(csv):
    assert read(csv("product_id\na\n"), brand_id="acme") == [{"product_id": "a", "brand_id": "acme"}]


def test_rows_that_cannot_be_used_are_counted(csv):
    with open_products(csv("product_id,price,withdrawn\n,1,\nb,-1,\nc,1,\nNULL,1,\n1.2E+09,1,\nd,1,perhaps\n")) as file:
        assert file.products == 1
        assert file.left_out.rows == {
            "no product": 2,
            "price below 0": 1,
            "product id in scientific notation: a spreadsheet has cut its digits off, export it as text": 1,
            "withdrawn is none of true, false, 1, 0, yes, no": 1,
        }


def test_a_price_that_is_not_understood_costs_the_price_only(csv):
    with open_products(csv("product_id,price\na,cheap\nc,1.50 USD\n")) as file:
        assert file.no_price == (1, ((1, "cheap"),))
        assert [json.loads(record.value).get("price") for record in next(file.batches())] == [None, 1.5]


def test_what_is_withdrawn_is_taken(csv):
    rows = "a,true\nb,FALSE\nc,1\nd,0\ne,Yes\nf,no\ng,\nh,out of stock\n"

    withdrawn = {record["product_id"]: record.get("withdrawn") for record in read(csv(f"product_id,withdrawn\n{rows}"))}

    assert withdrawn == {"a": True, "b": False, "c": True, "d": False, "e": True, "f": False, "g": None, "h": True}


def test_a_missing_column_is_named_with_the_option(csv):
    with pytest.raises(
        UnreadableFile, match=r"no column 'product_id'; it has: sku, title.*--products-column product=NAME"
    ):
        read(csv("sku,title\na,b\n"))
