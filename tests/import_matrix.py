"""The import matrix: one little shop in every format, encoding and with every fault, and what became of each line.

`python -m tests.import_matrix` (`make import-matrix`) prints it: lines of the file, orders, lines read and left out, by
reason. The files are made up here, in a scratch folder; each is read as `alsobought import` reads it, by its options.
"""

import bz2
import gzip
import io
import json
import lzma
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from consumers.file_import.conditions import conditions
from consumers.file_import.inputs import zstd
from consumers.file_import.purchase_files import Columns, open_purchases
from consumers.file_import.tables import Reading, UnreadableFile
from tests.unit.consumers.file_import.spreadsheet import write_xlsx

LATEST_MS = 1_900_000_000_000
HEADER = "customer_id,order_id,product_id,ts,quantity,price,title"
ROWS = [
    f"c-{n % 7},o-{n // 2},thé-{n % 5},2026-03-{n // 2 % 27 + 1:02}T10:00:00Z,{n % 3 + 1},4.5,thing {n}"
    for n in range(60)
]
ORDERS = len(ROWS)  # the two lines of an order are of two customers
CSV = "\n".join([HEADER, *ROWS]) + "\n"
OBJECTS = [dict(zip(HEADER.split(","), row.split(","), strict=True)) for row in ROWS]
JSON_LINES = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in OBJECTS)
REFUSED = "refused"


@dataclass(frozen=True)
class Case:
    """A file and the options it is read with."""

    kind: str  # format, encoding or fault
    name: str
    write: Callable[[Path], object]
    options: dict[str, Any] = field(default_factory=dict)
    where: str = ""
    columns: Columns = field(default_factory=Columns)
    orders: int = ORDERS
    left_out: int = 0


@dataclass(frozen=True)
class Row:
    """What became of a file."""

    case: Case
    lines: int
    orders: int
    read: int
    left_out: int
    other: int
    reasons: str


def rows() -> Iterator[Row]:
    """Read every case."""
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases()):
            path = Path(folder) / f"{number}"
            case.write(path)
            yield _row(case, path)


def _row(case: Case, path: Path) -> Row:
    try:
        reading, where = Reading(**case.options), conditions([case.where] if case.where else [])
        with open_purchases(path, case.columns, latest_ms=LATEST_MS, reading=reading, where=where) as file:
            left_out = file.contents.left_out
            reasons = ", ".join(f"{count} x {reason}" for reason, count in left_out.rows.items())
            lines = left_out.lines
            return Row(case, lines.total, file.contents.orders, lines.read, lines.left_out, lines.other, reasons)
    except UnreadableFile as refused:
        text = str(refused).replace(str(path), "it")
        return Row(case, 0, 0, 0, 0, 0, f"{REFUSED}: {text}")


def cases() -> list[Case]:
    """Every format, encoding and fault."""
    return [*_formats(), *_encodings(), *_faults(), *_cells()]


def _text(text: str, encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text.encode(encoding))


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _formats() -> Iterator[Case]:
    plain = CSV.encode()
    for name, sign in (("CSV ,", ","), ("CSV ;", ";"), ("CSV tab", "\t"), ("CSV |", "|")):
        yield Case("format", name, _text(CSV.replace(",", sign)))
    yield Case(
        "format", "CSV, all in quotes", _text("\r\n".join('"' + x.replace(",", '","') + '"' for x in CSV.splitlines()))
    )
    for name, packed in (
        ("CSV .gz", gzip.compress(plain)), ("CSV .bz2", bz2.compress(plain)), ("CSV .xz", lzma.compress(plain)),
        ("CSV .zst", zstd.compress(plain)), ("CSV .zip", _zip(plain)), ("JSON lines", JSON_LINES.encode()),
        ("JSON lines .gz", gzip.compress(JSON_LINES.encode())),
        ("JSON array", json.dumps(OBJECTS).encode()),
    ):  # fmt: skip
        yield Case("format", name, _bytes(packed))
    yield Case("format", "Parquet", _parquet)
    yield Case("format", "Parquet, nested", _nested, {"unnest": ("items",)})
    yield Case("format", "Parquet, nested, not asked", _nested, orders=0)
    yield Case("format", ".xlsx", lambda path: write_xlsx(path, {"Orders": [r.split(",") for r in CSV.splitlines()]}))
    yield Case("format", "folder of Spark", _spark)


def _encodings() -> Iterator[Case]:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        yield Case("encoding", f"{encoding}, found out", _text(CSV, encoding))
    yield Case("encoding", "utf-16-be with a mark", _bytes(b"\xfe\xff" + CSV.encode("utf-16-be")))
    for encoding in ("utf-16-le", "utf-16-be", "windows-1252", "latin-1"):
        yield Case("encoding", f"{encoding}, named", _text(CSV, encoding), {"encoding": encoding})
    yield Case("encoding", "utf-16-le, not named", _text(CSV, "utf-16-le"), orders=0)
    yield Case("encoding", "windows-1252, not named", _text(CSV, "windows-1252"), orders=0, left_out=60)


def _faults() -> Iterator[Case]:
    def changed(number: int, title: str) -> list[str]:
        lines = CSV.splitlines()
        lines[number] = lines[number].rsplit(",", 1)[0] + "," + title
        return lines

    yield Case("fault", "quote never closed", _text("\n".join(changed(20, '"3 inch nail'))))
    both = changed(20, '"3 inch nail')
    both[50] = both[50] + '"'
    yield Case("fault", "quote closed 30 lines later", _text("\n".join(both)))
    yield Case("fault", "backslash before quotes", _text("\n".join(changed(20, r'"said \"good\", twice"'))))
    yield Case("fault", "line break in quotes", _text("\n".join(changed(20, '"first\n\nsecond, third"'))))
    lines = CSV.splitlines()
    yield Case("fault", "line cut short", _text("\n".join([*lines[:30], "c-1,o-", *lines[31:]])), orders=59, left_out=1)
    yield Case("fault", "line too long", _text("\n".join([*lines, "c-1,o-99,x,2026-03-01,1,1,x,y"])), left_out=1)
    yield Case("fault", "blank lines", _text("\n\n".join(lines)))
    yield Case("fault", "trailing delimiters", _text("\n".join([lines[0], *(f"{line},," for line in lines[1:])])))
    yield Case("fault", "no byte of UTF-8 in a title", _bytes("\n".join(changed(20, "é")).encode("latin-1", "replace")
               .replace("thé".encode("latin-1"), "thé".encode())))  # fmt: skip
    yield Case("fault", "sep=; line", _text("sep=;\n" + CSV.replace(",", ";")))
    yield Case("fault", "preamble", _text("Orders of May\n\n" + CSV), {"skip_lines": 1})
    yield Case("fault", "preamble, not skipped", _text("Orders of May\n\n" + CSV), orders=0)
    yield Case("fault", "no customer", _text(CSV.replace("c-1", "")), orders=51, left_out=9)
    yield Case("fault", "JSON line torn", _text(JSON_LINES + '{"customer_id":\n'), left_out=1)
    yield Case("fault", "order fields on the first line", _text(_first_only()), {"fill_down": True}, orders=30)
    yield Case("fault", "a list in a cell", _text(_lists()), {"split": ";"}, orders=30)
    yield Case("fault", "a list in a cell, not asked", _text(_lists()), orders=0)
    yield Case("fault", "torn gzip", _bytes(gzip.compress(CSV.encode())[:-9]), orders=0)
    yield Case("fault", "torn Parquet", _bytes(b"PAR1" + CSV.encode()), orders=0)
    yield Case(
        "fault", "names of another shop", _text(CSV.replace("customer_id", "user").replace("ts", "when")), orders=0
    )


def _cells() -> Iterator[Case]:
    days = re.sub(r"2026-03-(\d\d)T10:00:00Z", lambda day: f"{46081 + int(day[1])},4375", CSV.replace(",", ";"))
    yield Case("cell", "NULL for a customer", _text(CSV.replace("c-1", "NULL")), orders=51, left_out=9)
    # Where c-1 and c-2 are one customer, the two lines of four orders are of that one.
    yield Case(
        "cell", "1.0, padded, beside 1", _text(CSV.replace("c-1,", " 1.0\u00a0,").replace("c-2,", "1,")), orders=56
    )
    yield Case("cell", "1.23E+05 for a customer", _text(CSV.replace("c-1", "1.23E+05")), orders=51, left_out=9)
    yield Case("cell", "Excel's days", _text(days), {"time_format": "excel"})
    yield Case("cell", "Excel's days, not named", _text(days), orders=0, left_out=60)
    yield Case("cell", "times of 1970", _text(CSV.replace("2026-", "1970-")), orders=0, left_out=60)
    yield Case("cell", "decimal comma, currency", _text(CSV.replace(",", ";").replace("4.5", "1.234,50 €")))
    yield Case("cell", "a price in words", _text(CSV.replace("4.5", "free")))
    yield Case("cell", "a condition", _text(CSV), where="customer_id!=c-1", orders=51, left_out=9)


def _first_only() -> str:
    return "customer_id,order_id,product_id,ts\n" + "".join(
        f"c-{n},o-{n},tea,2026-03-01\n,o-{n},cup,\n" for n in range(30)
    )


def _lists() -> str:
    return "customer_id,order_id,product_id,ts\n" + "".join(f"c-{n},o-{n},tea;cup,2026-03-01\n" for n in range(30))


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("orders.csv", content)
    return out.getvalue()


def _parquet(path: Path) -> None:
    source = path.with_suffix(".jsonl")
    source.write_text(JSON_LINES)
    duckdb.sql(f"COPY (FROM read_json('{source}', format='newline_delimited')) TO '{path}' (FORMAT parquet)")


def _nested(path: Path) -> None:
    _parquet(path.with_suffix(".flat"))
    duckdb.sql(
        f"COPY (SELECT customer_id, order_id, ts, [{{'product_id': product_id, 'quantity': quantity}}] AS items "
        f"FROM read_parquet('{path.with_suffix('.flat')}')) TO '{path}' (FORMAT parquet)"
    )


def _spark(path: Path) -> None:
    path.mkdir()
    for at in range(3):
        (path / f"part-0000{at}.csv").write_text("\n".join([HEADER, *ROWS[at::3]]) + "\n")
    (path / "_SUCCESS").touch()
    (path / ".part-00000.csv.crc").write_bytes(b"crc")


def main() -> None:
    """Print the matrix; exit code 1 if a row is not as it should be."""
    print(f"{'':8}  {'file':31} {'lines':>5} {'orders':>6} {'read':>5} {'left out':>8} {'other':>5}  by reason")
    wrong = 0
    for row in rows():
        case = row.case
        fine = (row.orders, row.left_out, row.read + row.left_out + row.other) == (
            case.orders,
            case.left_out,
            row.lines,
        )
        wrong += not fine
        numbers = f"{row.lines:5} {row.orders:6} {row.read:5} {row.left_out:8} {row.other:5}"
        print(f"{case.kind:8}  {case.name:31} {numbers}  {row.reasons}{'' if fine else '   <-- WRONG'}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
