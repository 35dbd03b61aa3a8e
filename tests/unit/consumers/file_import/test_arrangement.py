"""Lists and half-filled orders: lines of orders when asked, refused with the option that does it otherwise."""

import json
from pathlib import Path

import duckdb
import pytest

from consumers.file_import.conditions import conditions
from consumers.file_import.purchase_files import Columns, open_purchases
from consumers.file_import.splitting import likely_separator
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
        assert "--fill-down" in file.contents.remarks[0]


def test_an_order_id_on_the_first_line_only_is_filled_down_too(csv):
    path = csv("order_id,customer_id,ts,product_id\n1,a,2026-03-01,tea\n,,,pot\n2,b,2026-03-02,cup\n")

    assert [len(order) for order in items(path, fill_down=True)] == [2, 1]


STATUS_ON_FIRST_LINE = (
    "order_id,customer_id,ts,product_id,status,kind\n"
    "1,a,2026-03-01,tea,paid,x\n1,a,2026-03-01,pot,,\n2,b,2026-03-02,cup,void,x\n2,b,2026-03-02,jam,,x\n"
)


@pytest.mark.parametrize(
    ("condition", "orders"),
    [("status=paid", [["tea", "pot"]]), ("status!=void", [["tea", "pot"]]), ("kind=x", [["tea"], ["cup", "jam"]])],
)
def test_a_condition_on_what_the_first_line_says_holds_for_the_order_and_on_what_lines_say_for_lines(
    csv, condition, orders
):
    with open_purchases(
        csv(STATUS_ON_FIRST_LINE),
        latest_ms=1_900_000_000_000,
        reading=Reading(fill_down=True),
        where=conditions([condition]),
    ) as file:
        events = [json.loads(event.value) for batch in file.batches() for event in batch]

    assert [[item["product_id"] for item in event["items"]] for event in events] == orders


def test_without_filling_down_a_condition_on_first_lines_is_said(csv):
    path = csv(STATUS_ON_FIRST_LINE)

    with open_purchases(path, latest_ms=1_900_000_000_000, where=conditions(["status=paid"])) as file:
        assert "status stands on some lines only of 2 orders: --fill-down" in file.contents.remarks[0]


def test_what_may_be_missing_is_named_beside_what_must_not(csv):
    with pytest.raises(UnreadableFile) as refused:
        items(csv("Kunde,Ware,Datum,Bestellung,Menge,Preis\n"))

    assert "has no columns 'customer_id', 'product_id', 'ts';" in str(refused.value)
    assert "--order-column Bestellung --quantity-column Menge --price-column Preis" in str(refused.value)


def test_a_list_is_named_when_no_column_comes_near(parquet):
    path = parquet("SELECT 'c' AS customer_id, '1' AS order_id, DATE '2026-03-01' AS ts, [{'sku': 'a'}] AS basket")

    with pytest.raises(UnreadableFile, match="Column basket holds lists with sku: --unnest basket"):
        items(path)


def test_a_column_that_is_there_twice_is_said(csv):
    with open_purchases(csv("customer_id,product_id,ts,product_id\na,tea,2026-03-01,cup\n"), latest_ms=10**14) as file:
        assert "there is also a column 'product_id 2'" in file.contents.remarks[0]


def test_a_file_of_another_kind_among_several_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("customer_id,product_id,ts\na,tea,2026-03-01\n")
    (tmp_path / "b.csv").write_text("product_id,title\ntea,Tea\n")

    with open_purchases([tmp_path / "a.csv", tmp_path / "b.csv"], latest_ms=10**14) as file:
        assert "b.csv has no column customer_id, ts" in file.contents.remarks[0]
        assert file.contents.left_out.rows == {"no customer": 1}


def test_orders_of_instacart_are_days_when_a_first_day_is_named(csv):
    path = csv("order_id,user_id,order_number,product_id\n1,7,1,33\n1,7,1,34\n2,7,2,33\n")

    with pytest.raises(UnreadableFile, match="--time-format day:2026-01-01"):
        items(path, like="instacart")
    assert [len(order) for order in items(path, like="instacart", time_format="day:2026-01-01")] == [2, 1]
