"""Lists and half-filled orders: lines of orders when asked, refused with the option that does it otherwise."""

import json
from pathlib import Path

import duckdb
import pytest

from consumers.file_import.arrangement import likely_separator
from consumers.file_import.purchase_files import Columns, open_purchases
from consumers.file_import.tables import Reading, UnreadableFile

WOO = (
    "order_id,order_date,customer_id,line_items\n"
    "9101,2026-06-09,7,product_id:31|quantity:2|total:9.00;product_id:44|quantity:1|total:19.90\n"
    "9102,2026-06-10,8,product_id:31|quantity:1|total:4.50\n"
)
WOO_COLUMNS = Columns(product="line_items", time="order_date")


def items(path: Path, columns: Columns | None = None, **options) -> list[list[tuple]]:
    with open_purchases(path, columns, latest_ms=1_900_000_000_000, reading=Reading(**options)) as file:
        events = [json.loads(event.value) for batch in file.batches() for event in batch]
        lines = file.contents.left_out.lines
        assert lines.read + lines.left_out + lines.other == lines.total
    return [[(item["product_id"], item.get("quantity")) for item in event["items"]] for event in events]


@pytest.fixture
def csv(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "orders.csv").write_text(text)
        return tmp_path / "orders.csv"

    return write


@pytest.fixture
def parquet(tmp_path):
    def write(select: str) -> Path:
        duckdb.sql(f"COPY ({select}) TO '{tmp_path}/orders.parquet' (FORMAT parquet)")
        return tmp_path / "orders.parquet"

    return write


@pytest.fixture
def nested(parquet):
    return parquet(
        "SELECT 'ada' AS customer_id, DATE '2026-01-02' AS ts, "
        "[{'product_id': 'tea', 'quantity': 2}, {'product_id': 'cup', 'quantity': 1}] AS items "
        "UNION ALL SELECT 'ben', DATE '2026-01-03', []"
    )


def test_a_list_in_a_cell_is_refused_with_the_option_that_splits_it(csv):
    with pytest.raises(UnreadableFile, match='--split ";"'):
        items(csv(WOO), WOO_COLUMNS)


def test_records_in_a_cell_become_products_with_their_quantities(csv):
    assert items(csv(WOO), WOO_COLUMNS, split=";") == [[("31", 2), ("44", 1)], [("31", 1)]]


def test_quantities_that_stand_in_a_list_beside_go_with_their_products(csv):
    path = csv(
        "customer_id,ts,product_id,quantity\na,2026-01-01,tea;cup,1;2\nb,2026-01-02,tea; pot;,5\nc,2026-01-03,pot,3\n"
    )

    found = items(path, split=";")

    assert found == [[("tea", 1), ("cup", 2)], [("tea", None), ("pot", None)], [("pot", 3)]]


def test_a_cell_can_be_taken_as_it_is(csv):
    path = csv("customer_id,ts,product_id\na,2026-01-01,tea|1\nb,2026-01-02,cup|2\n")

    assert items(path, split="none") == [[("tea|1", None)], [("cup|2", None)]]


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["tea;cup", "pot"], ";"),
        (["31|44", "31|5"], "|"),
        (["31,44,5", "31", "7,5"], ","),
        (["tea, cup", "cup, pot"], ","),
        (["['tea', 'cup']", "['pot']"], ","),
        (["tea\ncup", "pot\ncup"], "\n"),
        (["tea", "cup", "pot"], None),
        (["Tea, green", "Cup, small, blue", "Pot"], None),
        (["A;1", *(f"p{number}" for number in range(100))], None),
        (["4.5", "TEA-1", "a/b"], None),
        ([], None),
    ],
)
def test_cells_that_hold_several_products_are_told_from_those_that_hold_one(cells, separator):
    assert likely_separator(cells) == separator


def test_a_list_of_objects_is_refused_with_the_option_that_unnests_it(nested):
    with pytest.raises(UnreadableFile, match="--unnest items"):
        items(nested)
    with pytest.raises(UnreadableFile, match=r"--unnest items and name one of items\.product_id"):
        items(nested, Columns(product="items"))


def test_a_list_of_objects_becomes_lines_and_an_empty_one_is_counted(nested):
    assert items(nested, unnest=("items",)) == [[("tea", 2), ("cup", 1)]]
    with open_purchases(nested, latest_ms=1_900_000_000_000, reading=Reading(unnest=("items",))) as file:
        assert file.contents.left_out.rows == {"no product": 1}


def test_lists_that_are_named_together_go_side_by_side(parquet):
    path = parquet(
        "SELECT 'a' AS customer_id, DATE '2026-01-02' AS ts, ['tea', 'cup'] AS product_id, [3, 4] AS quantity"
    )

    assert items(path, unnest=("product_id", "quantity")) == [[("tea", 3), ("cup", 4)]]


def test_a_column_without_lists_can_not_be_unnested(nested):
    with pytest.raises(UnreadableFile, match=r"no column 'ts' that holds lists.*it has: items"):
        items(nested, unnest=("ts",))


FIRST_ONLY = (
    "order_id,customer_id,ts,product_id\n"
    "5001,c-1,2026-03-01,tea\n5001,,,pot\n5001,,,cup\n5002,c-2,2026-03-02,tea\n5003,,2026-03-03,jam\n5003,,2026-03-03,tea\n"
)


def test_order_fields_on_the_first_line_are_filled_down_when_asked_and_a_guest_stays_one(csv):
    found = items(csv(FIRST_ONLY), fill_down=True)

    assert [[product for product, _ in order] for order in found] == [["tea", "pot", "cup"], ["tea"]]


def test_without_filling_down_it_is_said_what_would(csv):
    with open_purchases(csv(FIRST_ONLY), latest_ms=1_900_000_000_000) as file:
        assert "--fill-down" in file.notes[0]


def test_an_order_id_on_the_first_line_only_is_filled_down_too(csv):
    path = csv("order_id,customer_id,ts,product_id\n1,a,2026-03-01,tea\n,,,pot\n2,b,2026-03-02,cup\n")

    assert [len(order) for order in items(path, fill_down=True)] == [2, 1]
