"""Every way into an import: kinds of files, packings, encodings, several at once; no line is missing."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import sys
import threading
import zipfile
from pathlib import Path

import duckdb
import pytest
from backports import zstd

from consumers.file_import import parts
from consumers.file_import.file_lines import FileLines, LinesLost
from consumers.file_import.parts import Reading
from consumers.file_import.purchase_files import Columns, FileContents, open_purchases
from consumers.file_import.tables import UnreadableFile
from tests.unit.consumers.file_import.spreadsheet import write_xlsx

HEADER = "customer_id,order_id,product_id,ts"
LINES = f"{HEADER}\nada,o-1,thé,2026-01-02\nben,o-2,cup,2026-01-03\n,o-3,cup,2026-01-03\nben,o-4\n"
LATEST_MS = 1_900_000_000_000


def read(path, columns=None, **options) -> tuple[FileContents, list[dict], tuple[str, ...]]:
    with open_purchases(path, columns, latest_ms=LATEST_MS, reading=Reading(**options)) as file:
        events = [json.loads(event.value) for batch in file.batches() for event in batch]
        return file.contents, events, file.contents.remarks


def lines_of(path, **options) -> FileLines:
    return read(path, **options)[0].left_out.lines


def products(path, columns=None, **options) -> list[list[str]]:
    return [[item["product_id"] for item in event["items"]] for event in read(path, columns, **options)[1]]


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def zipped(text: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("orders.csv", text)
        archive.writestr("__MACOSX/._orders.csv", "x")
    return out.getvalue()


PACKINGS = {
    "plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress, "zip": zipped,
    "zip in gz": lambda text: gzip.compress(zipped(text)),
}  # fmt: skip


@pytest.mark.parametrize("packing", PACKINGS)
def test_whatever_a_file_is_packed_in_its_lines_are_the_same(write, packing):
    path = write("orders", PACKINGS[packing](LINES.encode()))

    assert products(path) == [["thé"], ["cup"]]
    assert lines_of(path) == FileLines(total=5, read=2, left_out=2, other=1)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_torn_file_is_refused_and_not_read_in_part(write, packing):
    path = write("orders", PACKINGS[packing]((LINES * 9).encode())[:-12])

    with pytest.raises(UnreadableFile, match=r"torn|damaged|broken"):
        read(path)


@pytest.mark.parametrize("mark", ["UTF8", "UTF16_LE", "UTF16_BE", "UTF32_LE", "UTF32_BE"])
@pytest.mark.parametrize("named", [None, "latin-1"])
def test_a_byte_order_mark_decides_by_itself(write, mark, named):
    encoding = mark.replace("UTF", "utf-").replace("_", "-")
    path = write("orders.csv", getattr(codecs, f"BOM_{mark}") + LINES.encode(encoding))

    assert products(path, encoding=named) == [["thé"], ["cup"]]


@pytest.mark.parametrize("encoding", ["windows-1252", "latin-1", "utf-16-le", "utf-16-be", "cp850"])
def test_an_encoding_can_be_named(write, encoding):
    assert products(write("orders.csv", LINES.encode(encoding)), encoding=encoding) == [["thé"], ["cup"]]


def test_a_line_with_bytes_that_are_no_text_is_left_out_with_the_likely_encoding(write):
    contents, events, _ = read(write("orders.csv", LINES.encode("windows-1252")))

    assert "not in utf-8, perhaps in windows-1252 (--encoding windows-1252)" in contents.left_out.rows
    assert len(events) == 1


def test_bytes_that_are_no_text_in_a_column_nobody_asked_for_decide_nothing(write):
    path = write("orders.csv", "customer_id,product_id,ts,note\nada,tea,2026-01-02,thé\n".encode("latin-1"))

    assert read(path)[0].left_out.rows == {}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_refused_with_its_name(write, encoding):
    with pytest.raises(UnreadableFile, match=f"--encoding {encoding}"):
        read(write("orders.csv", LINES.encode(encoding)))


def test_an_encoding_that_nobody_knows_is_refused(write):
    with pytest.raises(UnreadableFile, match="no encoding 'klingon'"):
        read(write("orders.csv", LINES), encoding="klingon")


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(LINES.encode()))))

    assert products("-") == [["thé"], ["cup"]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_pipe_with_a_name_is_read(write, tmp_path, kind):
    content = LINES.encode()
    if kind == "parquet":
        duckdb.sql(
            "COPY (SELECT 'ada' AS customer_id, 'tea' AS product_id, DATE '2026-01-02' AS ts) "
            f"TO '{tmp_path}/p.parquet'"
        )
        content = (tmp_path / "p.parquet").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()

    found = products(pipe)
    writer.join()

    assert found[0] in (["thé"], ["tea"])


def test_several_files_and_patterns_are_read_as_one(write, tmp_path):
    write("a1.csv", f"{HEADER}\nada,o-1,tea,2026-01-02\n")
    write("a2.csv", "ts;product_id;customer_id\n2026-01-03;cup;ben\n")
    other = write("b.jsonl", '{"customer_id":"eve","product_id":"pot","ts":"2026-01-04"}\nnonsense\n')

    contents, events, _ = read([tmp_path / "a*.csv", other])

    assert [event["profile_id"] for event in events] == ["ada", "ben", "eve"]
    assert contents.left_out.examples[0].file == str(other)


def test_the_same_file_named_twice_is_refused(write, tmp_path):
    path = write("a.csv", LINES)

    with pytest.raises(UnreadableFile, match="named twice"):
        read([path, tmp_path / "*.csv"])


def test_a_folder_that_spark_wrote_is_read_without_its_markers(write, tmp_path):
    for name in ("year=2026/part-00000.csv", "year=2026/part-00001.csv"):
        write(f"out/{name}", f"{HEADER}\n{name[-5]},{name},tea,2026-01-02\n")
    for name in ("_SUCCESS", ".part-00000.csv.crc", "year=2026/part-00002.csv"):
        write(f"out/{name}", "x" * name.endswith("crc"))

    assert len(read(tmp_path / "out")[1]) == 2


def test_a_folder_still_being_written_is_refused(write, tmp_path):
    write("out/part-0.csv", LINES)
    write("out/_temporary/0/part-1.csv", LINES)

    with pytest.raises(UnreadableFile, match="still being written"):
        read(tmp_path / "out")


def test_the_same_customer_is_one_in_parts_that_store_it_as_different_types(tmp_path):
    for at, kind in enumerate(("DOUBLE", "INTEGER", "VARCHAR")):
        select = f"SELECT CAST(17850 AS {kind}) AS customer_id, 'tea' AS product_id, DATE '2026-01-0{at + 1}' AS ts"
        duckdb.sql(f"COPY ({select}) TO '{tmp_path}/part-{at}.parquet'")

    assert read(tmp_path)[0].customers == 1


def test_a_binary_column_that_nobody_asked_for_is_left_alone(tmp_path):
    duckdb.sql(
        r"COPY (SELECT '\xFF\xD8'::BLOB AS photo, 'ada'::BLOB AS customer_id, 'tea' AS product_id, "
        f"DATE '2026-01-02' AS ts) TO '{tmp_path}/a.parquet'"
    )

    assert read(tmp_path / "a.parquet")[1][0]["profile_id"] == "ada"


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ('{"customer_id":7,"product_id":"tea","ts":"2026-01-02"}\n\nnonsense\n[1]\n', 4),
        ('[{"customer_id":7,\n"product_id":"tea","ts":"2026-01-02"}, 3]', 2),
    ],
)
def test_json_lines_and_arrays_are_read_and_what_is_no_object_is_counted(write, text, total):
    contents, events, _ = read(write("orders.json", text))

    assert events[0]["profile_id"] == "7"
    assert contents.left_out.rows["line is not a JSON object"] == total - 1 - text.count("\n\n")
    assert contents.left_out.lines.total == total


def test_what_other_writers_let_pass_costs_no_line_of_json(write):
    text = r'{"customer_id":"ada","product_id":"tea","ts":"2026-01-02","price":NaN,"note":"\ud83d"}' + "\n"

    contents, events, _ = read(write("orders.jsonl", text + text.replace("tea", r"\ud83d")))

    assert events[0]["items"] == [{"product_id": "tea"}]
    assert list(contents.left_out.rows.values()) == [1]


def test_a_record_of_several_lines_that_is_left_out_counts_as_those(write):
    contents, _, _ = read(
        write("orders.csv", 'customer_id,product_id,ts,note\n,tea,2026-01-02,"a\nb\nc"\nada,tea,2026-01-02,x\n')
    )

    assert contents.left_out.rows == {"no customer": 3}
    assert contents.left_out.lines == FileLines(total=5, read=1, left_out=3, other=1)


def test_a_spreadsheet_is_read_and_says_which_sheet(tmp_path):
    path = tmp_path / "orders.xlsx"
    rows = [["customer_id", "product_id", "ts"], [17850, "tea", "2026-01-02"], [], ["", "cup", "2026-01-02"]]
    write_xlsx(path, {"Empty": [], "Orders": rows, "Notes": [["x"]]})

    contents, events, notes = read(path)

    assert events[0]["profile_id"] == "17850"
    assert contents.left_out.lines == FileLines(total=4, read=1, left_out=1, other=2)
    assert notes == ("sheet Orders; Notes left alone (--sheet names another)",)


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": [["a"]]})

    with pytest.raises(UnreadableFile, match="no sheet 'May'; it has: Orders"):
        read(tmp_path / "orders.xlsx", sheet="May")


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"ORC\x03", "ORC"),
        (b"Obj\x01", "Avro"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"%PDF-1.7", "PDF"),
        (b"<html>", "web"),
    ],
)
def test_other_kinds_of_files_are_refused_by_name(write, start, what):
    with pytest.raises(UnreadableFile, match=f"{what}.*neither CSV nor Parquet; save it as one of them"):
        read(write("orders.csv", start))


def test_no_word_of_the_database_reaches_the_user(write):
    for content in (b"PAR1 torn PAR1", b'a"\n"', b"\x00\x01", b"{", b"a,b\n1"):
        with pytest.raises(UnreadableFile) as raised:
            read(write("orders.csv", content))

        assert not any(word in str(raised.value) for word in ("DESCRIBE", "read_csv", "strict_mode", "Error:"))


def test_lines_above_the_header_are_skipped_when_asked_and_pointed_at_otherwise(write):
    path = write("orders.csv", f"Orders of May\n\n{LINES}")

    assert len(read(path, skip_lines=1)[1]) == 2
    with pytest.raises(UnreadableFile, match="Line 3 looks like the header: --skip-lines 2"):
        read(path)


def test_missing_columns_are_named_all_at_once_with_the_likely_ones(write):
    path = write("orders.csv", "Kunde;Artikel;Datum\n1;2;2026-01-01\n")

    with pytest.raises(UnreadableFile) as raised:
        read(path)

    assert "no columns 'customer_id', 'product_id', 'ts'; it has: Kunde, Artikel, Datum" in str(raised.value)
    assert "Did you mean: --customer-column Kunde --product-column Artikel --time-column Datum" in str(raised.value)


def test_a_table_with_a_row_too_few_is_a_fault_that_sends_nothing(write, monkeypatch):
    whole = parts.together
    monkeypatch.setattr(
        "consumers.file_import.tables.together", lambda found: f"(FROM {whole(found)} WHERE {parts.LINE} > 1)"
    )

    with pytest.raises(LinesLost, match="5 lines, but 1 were read"):
        read(write("orders.csv", LINES))


@pytest.mark.parametrize("like", [None, "uci"])
def test_a_known_export_is_chosen_or_guessed_and_said(write, like):
    path = write(
        "orders.csv", "CustomerID,InvoiceNo,StockCode,InvoiceDate,Quantity,UnitPrice\n1,5,tea,2026-01-02 10:00:00,2,3\n"
    )

    contents, events, notes = read(path, like=like)

    assert events[0]["items"] == [{"product_id": "tea", "quantity": 2, "price": 3.0}]
    assert notes[0].startswith("read as an export of UCI Online Retail: customer CustomerID, product StockCode")
    assert contents.without == ()


def test_a_column_that_was_named_comes_before_the_exports_own(write):
    path = write(
        "orders.csv", "Name,Email,Phone,Created at,Lineitem sku,Lineitem quantity\n#1,a@b.c,07,2026-01-02,tea,1\n"
    )

    assert read(path, Columns(customer="Phone"), like="shopify")[1][0]["profile_id"] == "07"


EXPORTED = {
    "woocommerce": "order_id,order_date,customer_id,item_sku,item_quantity,item_price\n1,2026-01-02,7,tea,2,4.5\n",
    "magento": "increment_id,created_at,customer_email,sku,qty_ordered,price\n001,2026-01-02,a@b.c,tea,2.0,4.5\n",
    "shopify": "Name,Email,Created at,Lineitem sku,Lineitem quantity,Lineitem price\n#1,a@b.c,2026-01-02,tea,2,4.5\n",
    "uci": "Invoice,StockCode,Quantity,InvoiceDate,Price,Customer ID\n1,tea,2,2026-01-02,4.5,7\n",
    "ga4": "user_pseudo_id,event_timestamp,transaction_id,item_id,quantity,price\n1.2,1767348000000000,T,tea,2,4.5\n",
}


@pytest.mark.parametrize("like", EXPORTED)
@pytest.mark.parametrize("named", [True, False])
def test_the_exports_of_well_known_shops_need_no_options(write, like, named):
    path = write("orders.csv", EXPORTED[like])

    contents, events, _ = read(path, like=like if named else None)

    assert events[0]["items"] == [{"product_id": "tea", "quantity": 2, "price": 4.5}]
    assert contents.without == ()


def test_an_export_without_times_is_refused_with_the_format_that_counts(write):
    path = write("orders.csv", "order_id,product_id,user_id,order_number\n1,33120,202279,3\n")

    with pytest.raises(UnreadableFile, match="Instacart, whose orders have no time: give --time-format day:"):
        read(path)


def test_an_export_of_analytics_is_unnested_by_itself(write):
    event = {
        "user_pseudo_id": "u.1", "event_timestamp": 1767348000000000, "event_name": "purchase",
        "ecommerce": {"transaction_id": "T1"}, "items": [{"item_id": "tea", "quantity": 2}, {"item_id": "cup"}],
    }  # fmt: skip
    path = write("events.jsonl", json.dumps(event))

    assert products(path) == [["tea", "cup"]]
