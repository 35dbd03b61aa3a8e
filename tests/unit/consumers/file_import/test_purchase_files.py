"""Purchases out of files: which rows make which events, and what is said of the rows that make none."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from consumers.decoding.purchases import PurchaseDecoder
from consumers.file_import.conditions import UnfitCondition, conditions
from consumers.file_import.parts import Reading
from consumers.file_import.purchase_files import Columns, FileContents, PurchaseRecord, open_purchases
from consumers.file_import.tables import UnreadableFile

HEADER = "customer_id,order_id,product_id,ts,quantity,price"
NOW_S = 1_800_000_000
LATEST_MS = (NOW_S + 86_400) * 1000
NOT_UNDERSTOOD = "time not understood: --time-format says how it is written, such as '%d/%m/%Y %H:%M' or excel"
SPREADSHEET = "in scientific notation: a spreadsheet has cut its digits off, export the column as text"


def read(path: Path, columns: Columns | None = None, **options) -> tuple[FileContents, list[PurchaseRecord]]:
    with open_purchases(path, columns, latest_ms=LATEST_MS, **options) as file:
        return file.contents, [event for batch in file.batches(orders=2) for event in batch]


def values(path: Path, columns: Columns | None = None, **options) -> list[dict]:
    return [json.loads(event.value) for event in read(path, columns, **options)[1]]


@pytest.fixture
def csv(tmp_path):
    def write(*lines: str, header: str = HEADER, name: str = "orders.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *lines]) + "\n", encoding=encoding)
        return path

    return write


@pytest.fixture
def parquet(tmp_path):
    def write(select: str) -> Path:
        path = tmp_path / "orders.parquet"
        duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        return path

    return write


def test_the_lines_of_an_order_become_one_event(csv):
    path = csv("ada,o1,tea,2026-01-02 10:00:00,2,4.5", "ada,o1,teapot,2026-01-02 10:00:00,1,19.9")

    (event,) = read(path)[1]

    value = json.loads(event.value)
    assert value.pop("event_id").startswith("import-")
    assert value == {
        "profile_id": "ada",
        "occurred_at": "2026-01-02T10:00:00Z",
        "items": [
            {"product_id": "tea", "quantity": 2, "price": 4.5},
            {"product_id": "teapot", "quantity": 1, "price": 19.9},
        ],
    }
    assert (event.key, event.time_ms) == (b"ada", 1_767_348_000_000)


def test_orders_come_in_time_order_and_those_of_one_moment_as_in_the_file(csv):
    path = csv("b,3,x,2026-01-03,,", "c,2,x,2026-01-02,,", "a,1,x,2026-01-02,,", "d,0,x,2026-01-01,,")

    assert [event.key for event in read(path)[1]] == [b"d", b"c", b"a", b"b"]


def test_what_a_file_holds_is_known_before_the_first_event(csv):
    path = csv("ada,o1,tea,2026-01-02,,", "ada,o1,jam,2026-01-02,,", "ben,o2,tea,2026-01-05,,", ",o3,tea,2026-01-05,,")

    contents = read(path)[0]

    assert (contents.orders, contents.lines, contents.customers) == (2, 3, 2)
    assert (contents.first, contents.last) == (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC))
    assert contents.left_out.rows == {"no customer": 1}


def test_csv_gzip_and_parquet_of_the_same_rows_give_the_same_bytes(csv, parquet):
    plain = csv(
        "007,o1,085,2026-01-02 10:00:00,2,4.5", "007,o2,x,2026-01-03 10:00:00.250,1,", "12345,o3,x,2026-01-04,1,0.1"
    )
    packed = plain.with_suffix(".gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    typed = parquet(
        f"SELECT * REPLACE (ts::TIMESTAMP AS ts, quantity::INT AS quantity, price::DOUBLE AS price) "
        f"FROM read_csv('{plain}', all_varchar=true)"
    )

    assert read(plain)[1] == read(packed)[1] == read(typed)[1]


def test_leading_zeros_are_kept(csv):
    (value,) = values(csv("007,0001,00850,2026-01-02,1,1"))

    assert (value["profile_id"], value["items"][0]["product_id"]) == ("007", "00850")


def test_whole_numbers_in_a_parquet_column_of_fractions_lose_their_point(parquet):
    path = parquet("SELECT 12345.0::DOUBLE AS customer_id, 7.00::DECIMAL(9,2) AS product_id, 1767348000 AS ts")

    (value,) = values(path)

    assert (value["profile_id"], value["items"][0]["product_id"]) == ("12345", "7")


def test_nan_in_a_parquet_column_is_no_customer(parquet):
    path = parquet("SELECT 'nan'::DOUBLE AS customer_id, 'tea' AS product_id, 1767348000 AS ts")

    assert read(path)[0].left_out.rows == {"no customer": 1}


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-02 10:00:00",
        "2026-01-02T10:00:00Z",
        "2026-01-02T12:00:00+02:00",
        "1767348000",
        "1767348000000",
        "1767348000.0",
    ],
)
def test_a_time_may_be_iso_text_or_an_epoch_number(csv, written):
    (value,) = values(csv(f"ada,o1,tea,{written},1,1"))

    assert value["occurred_at"] == "2026-01-02T10:00:00Z"


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS", "TIMESTAMP_S", "DATE"])
def test_a_parquet_time_of_any_kind_is_read(parquet, kind):
    path = parquet(f"SELECT 'ada' AS customer_id, 'tea' AS product_id, '2026-01-02 00:00:00+00'::{kind} AS ts")

    (value,) = values(path)

    assert value["occurred_at"] == "2026-01-02T00:00:00Z"


def test_eight_digits_are_a_day(csv):
    (value,) = values(csv("ada,o1,tea,20260102,1,1"))

    assert value["occurred_at"] == "2026-01-02T00:00:00Z"


def test_a_time_format_reads_what_is_not_iso(csv):
    path = csv("ada,o1,tea,12/1/2010 8:26,1,1")

    (value,) = values(path, reading=Reading(time_format="%m/%d/%Y %H:%M"))

    assert value["occurred_at"] == "2010-12-01T08:26:00Z"


def test_without_an_order_column_a_customers_lines_of_one_moment_are_one_order(csv):
    path = csv("ada,tea,2026-01-02", "ada,jam,2026-01-02", "ben,tea,2026-01-02", header="customer_id,product_id,ts")

    contents, events = read(path)

    assert [len(json.loads(event.value)["items"]) for event in events] == [2, 1]
    assert contents.without == ("order", "quantity", "price")


def test_a_product_that_stands_twice_is_one_item_with_the_quantities_summed_and_the_last_price(csv):
    path = csv("ada,o1,tea,2026-01-02,2,4.5", "ada,o1,tea,2026-01-02,3,4.1", "ada,o1,tea,2026-01-02,,")

    assert values(path)[0]["items"] == [{"product_id": "tea", "quantity": 5, "price": 4.1}]


def test_an_order_is_as_old_as_its_first_line(csv):
    path = csv("ada,o1,tea,2026-01-02 10:01:00,1,1", "ada,o1,jam,2026-01-02 10:00:00,1,1")

    assert values(path)[0]["occurred_at"] == "2026-01-02T10:00:00Z"


def test_an_event_id_does_not_depend_on_the_rest_of_the_file(csv):
    alone = csv("ada,o1,tea,2026-01-02,1,1", name="first.csv")
    later = csv("ben,o9,tea,2026-01-01,1,1", "ada,o1,tea,2026-01-02,1,2", name="second.csv")

    assert values(alone)[0]["event_id"] == values(later)[1]["event_id"]


@pytest.mark.parametrize("other", ["ben,o1,tea,2026-01-02,1,1", "ada,o2,tea,2026-01-02,1,1"])
def test_another_customer_or_order_has_another_event_id(csv, other):
    first, second = values(csv("ada,o1,tea,2026-01-02,1,1", other))

    assert first["event_id"] != second["event_id"]


def test_without_an_order_id_the_event_id_follows_the_content_not_the_order_of_rows(csv):
    header = "customer_id,product_id,ts"
    one = values(csv("ada,tea,2026-01-02", "ada,jam,2026-01-02", header=header, name="1.csv"))
    two = values(csv("ada,jam,2026-01-02", "ada,tea,2026-01-02", header=header, name="2.csv"))
    three = values(csv("ada,jam,2026-01-02", header=header, name="3.csv"))

    assert one[0]["event_id"] == two[0]["event_id"] != three[0]["event_id"]


def test_a_brand_comes_from_its_column_or_is_given_for_all_rows(csv):
    path = csv("ada,tea,2026-01-02,acme", "ben,tea,2026-01-03,", header="customer_id,product_id,ts,shop")

    brands = [value.get("brand_id") for value in values(path, Columns(brand="shop"), brand_id="zeta")]

    assert brands == ["acme", "zeta"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("  ,o,tea,2026-01-02,1,1", "no customer"),
        ("ada,o,,2026-01-02,1,1", "no product"),
        (f"{'a' * 257},o,tea,2026-01-02,1,1", "customer id too long or with control characters"),
        ("ada,o,te\x07a,2026-01-02,1,1", "product id too long or with control characters"),
        ("ada,o,tea,yesterday,1,1", NOT_UNDERSTOOD),
        ("ada,o,tea,,1,1", "no time"),
        ("ada,o,tea,1969-12-31,1,1", "time before 1970"),
        ("ada,o,tea,9999-12-31,1,1", "time in the future"),
        ("ada,o,tea,2026-01-02,some,1", "quantity is not a number"),
        ("ada,o,tea,2026-01-02,inf,1", "quantity is not a number"),
        ("ada,o,tea,2026-01-02,0,1", "quantity not above 0"),
        ("ada,o,tea,2026-01-02,-3,1", "a return: quantity below 0"),
        (
            'ada,o,tea,2026-01-02,"1,234",1',
            "quantity can be read in two ways: --decimal says which mark begins the fraction",
        ),
        ("NULL,o,tea,2026-01-02,1,1", "no customer"),
        ("ada,o,\\N,2026-01-02,1,1", "no product"),
        ("1.23E+05,o,tea,2026-01-02,1,1", f"customer id {SPREADSHEET}"),
        ("ada,o,1.23E+05,2026-01-02,1,1", f"product id {SPREADSHEET}"),
        ("ada,1.23E+05,tea,2026-01-02,1,1", f"order id {SPREADSHEET}"),
        ("ada,o,tea,2026-01-02,1,-0.01", "price below 0"),
        ("ada,o,tea,2026-01-02,1,1e13", "price above 1e12"),
        ("ada,o,tea", "line has too few columns"),
        ("ada,o,tea,2026-01-02,1,1,1", "line has too many columns"),
    ],
)
def test_a_row_that_cannot_be_used_is_counted_with_its_reason(csv, line, reason):
    contents, events = read(csv("ben,o1,tea,2026-01-02,1,1", line))

    assert contents.left_out.rows == {reason: 1}
    assert [event.key for event in events] == [b"ben"]


def test_the_first_few_rows_left_out_are_shown_with_what_stands_in_them(csv):
    contents, _ = read(csv("ben,o1,tea,2026-01-02,1,1", *["ada,o2,tea,2026-01-02,0,1"] * 5))

    shown = contents.left_out.examples
    assert [row.row for row in shown] == [2, 3, 4]
    assert shown[0].content == dict(zip(HEADER.split(","), ["ada", "o2", "tea", "2026-01-02", "0", "1"], strict=True))


def test_a_line_in_another_encoding_is_counted_and_can_be_read_by_naming_it(csv):
    path = csv("ada,o1,thé,2026-01-02,1,1", "ben,o2,tea,2026-01-02,1,1", encoding="latin-1")

    assert sum(read(path)[0].left_out.rows.values()) == 1
    assert values(path, reading=Reading(encoding="latin-1"))[0]["items"][0]["product_id"] == "thé"


def test_the_service_takes_every_event_that_is_made(csv):
    rows = [
        '\'; DROP TABLE x,🛒,"a""b",2026-01-02,0.25,0',
        f"{'é' * 256},o,{'日' * 256},19950101,1e-9,1e12",
        "{},o,\\u0000,788918401,1,1",
    ]
    events = read(csv(*rows))[1]

    decoder = PurchaseDecoder()
    profiles = {decoder.decode(event.key, event.value, {}, 0, NOW_S).profile for event in events}

    assert profiles == {"'; DROP TABLE x", "é" * 256, "{}"}


def test_an_order_too_long_for_one_event_comes_as_several(csv):
    events = read(csv(*(f"ada,o1,p{n},2026-01-02,1,1" for n in range(4_001))))[1]

    parts = [json.loads(event.value) for event in events]
    assert [len(part["items"]) for part in parts] == [2000, 2000, 1]
    assert len({part["event_id"] for part in parts}) == 3


def test_column_names_are_mapped_whatever_their_capitals_and_separators(csv):
    path = csv("ada;1;tea;2026-01-02", header='CustomerID;"Invoice No";StockCode;When')

    value = values(path, Columns("customerid", "StockCode", "When", order="Invoice No"))[0]

    assert (value["profile_id"], value["items"]) == ("ada", [{"product_id": "tea"}])


def test_a_missing_column_is_named_with_the_columns_there_are_and_the_option(csv):
    path = csv("ada,tea,2026-01-02", header="CustomerID,product_id,ts")

    with pytest.raises(UnreadableFile) as raised:
        read(path)

    assert str(raised.value) == (
        f"{path} has no column 'customer_id'; it has: CustomerID, product_id, ts. "
        "Name the right one with --customer-column. Did you mean: --customer-column CustomerID"
    )


def test_a_column_that_was_named_must_be_there_even_if_it_may_be_absent(csv):
    with pytest.raises(UnreadableFile, match=r"no column 'basket'.*--order-column"):
        read(csv(), Columns(order="basket"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be opened: No such file"),
        (b"", "is empty"),
        (b"PK\x03\x04 a spreadsheet", "neither CSV nor Parquet"),
        (b"PAR1 torn", "cannot be read"),
        (b"\x1f\x8b\x08\x00 torn", "gzip"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, content, complaint):
    path = tmp_path / "orders.bin"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UnreadableFile, match=complaint) as raised:
        read(path)

    assert str(path) in str(raised.value)


def test_a_file_name_is_no_pattern(csv):
    path = csv("ada,o1,tea,2026-01-02,1,1", name="orders [all*?].csv")

    assert len(read(path)[1]) == 1


def test_a_file_with_a_header_only_holds_nothing(csv):
    contents, events = read(csv())

    assert (contents.orders, contents.first, events) == (0, None, [])


def test_columns_with_the_names_of_our_own_tables_do_no_harm(csv):
    path = csv("ada,tea,2026-01-02,x,y,z", header="customer,product,time_ms,reason,the_row,row")

    (value,) = values(path, Columns("customer", "product", "time_ms"))

    assert value["profile_id"] == "ada"


def test_reading_tells_its_progress_as_a_share(csv):
    told = []
    read(csv("ada,o1,tea,2026-01-02,1,1"), progress=lambda what, done: told.append((what, done)))

    assert told[-1] == ("reading", 1)


def test_a_price_that_is_not_understood_costs_the_price_and_is_counted(csv):
    contents, events = read(
        csv("ada,o,tea,2026-01-02,1,4.50", 'ben,o,tea,2026-01-02,1,"2,55"', "eve,o,tea,2026-01-02,1,free")
    )

    assert contents.left_out.rows == {}
    assert contents.no_price == (2, ((2, "2,55"), (3, "free")))
    assert ["price" in json.loads(event.value)["items"][0] for event in events] == [True, False, False]


def test_only_rows_that_fulfil_the_conditions_are_meant_and_the_others_are_counted_by_condition(csv):
    header = "customer_id,product_id,ts,event,status"
    lines = ["a,x,2026-01-02,view,", "b,x,2026-01-02, Transaction ,paid", "c,x,2026-01-02,transaction,refunded"]
    lines += ["d,x,2026-01-02,sale,NULL", "e,,2026-01-02,sale,paid"]
    wanted = conditions(["event=transaction", "event=sale,order", "status!=refunded"])

    contents, events = read(csv(*lines, header=header), where=wanted)

    assert [event.key for event in events] == [b"b", b"d"]
    assert contents.left_out.rows == {
        "left out by --where event=transaction,sale,order": 1,
        "left out by --where status!=refunded": 1,
        "no product": 1,
    }


def test_an_empty_value_means_an_empty_cell(csv):
    path = csv(
        "a,x,2026-01-02,", "b,x,2026-01-02,NULL", "c,x,2026-01-02,2026", header="customer_id,product_id,ts,cancelled"
    )

    assert [event.key for event in read(path, where=conditions(["cancelled="]))[1]] == [b"a", b"b"]
    assert [event.key for event in read(path, where=conditions(["cancelled!="]))[1]] == [b"c"]


def test_a_condition_on_a_column_that_is_not_there_is_refused(csv):
    with pytest.raises(UnreadableFile, match=r"no column 'state'.*--where"):
        read(csv(), where=conditions(["state=paid"]))


@pytest.mark.parametrize("written", ["status", "=paid", ""])
def test_a_condition_that_is_none_is_refused(written):
    with pytest.raises(UnfitCondition, match="COLUMN=VALUE"):
        conditions([written])


def test_one_customer_with_too_many_orders_is_said(csv):
    many = [f"guest,g{n},tea,2026-01-02,1,1" for n in range(30)]
    others = [f"c-{n},o{n},tea,2026-01-02,1,1" for n in range(30)]

    (remark,) = read(csv(*many, *others))[0].remarks

    assert "customer 'guest' has 30 of 60 orders (50%)" in remark
    assert "--where 'customer_id!=guest'" in remark
    assert read(csv(*many[:3], *others))[0].remarks == ()


def test_numbers_in_which_nothing_tells_thousands_from_fractions_are_said(csv):
    (remark,) = read(csv("ada,o,tea,2026-01-02,1,1.234"))[0].remarks

    assert "--decimal" in remark


def test_lines_read_and_left_out_are_the_lines_of_the_file(csv):
    lines = ["a,1,x,2026-01-02,1,1", "NULL,1,x,2026-01-02,1,1", "a,1,x,402,1,1", "a,1,x,2026-01-02,-1,1"]
    lines += ["a,1,x,2026-01-02,1,dear", "a,1,x", "a,1,x,2026-01-02,1,1,1", "b,2,x,2026-01-02,1,1"]

    contents = read(csv(*lines), where=conditions(["customer_id!=b"]))[0]

    assert contents.lines + contents.left_out.total == len(lines)
