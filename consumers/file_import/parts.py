"""One input as a part of a table: what DuckDB reads it from, its columns, and which line each row stands in.

In: an open input and how it is to be read. Out: SQL to select from, without row numbers. Promise: what kind of file it
is follows from its first bytes, never from its name; no row that DuckDB sees can differ from what was counted.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import duckdb
from duckdb.sqltypes import DuckDBPyType

from consumers.file_import.csv_lines import CleanCsv, clean_csv
from consumers.file_import.file_lines import LineAccount
from consumers.file_import.inputs import Input, Opened, UnreadableFile, unpacked
from consumers.file_import.json_lines import clean_json
from consumers.file_import.text_pieces import TextPieces

Progress = Callable[[str, float], None]

_CSV = (
    "read_csv({path}, header=false, auto_detect=false, delim={delimiter}, quote='\"', escape='\"', new_line='\\n',"
    " strict_mode=true, max_line_size={longest}, columns={{{columns}}})"
)
_JSON = "read_json({path}, format='newline_delimited', maximum_object_size={longest}, columns={{{columns}}})"
_PARQUET = "read_parquet({path}, file_row_number=true)"
_PARQUET_ROW = "file_row_number"
LINE = "alsobought_line"  # the column that numbers the rows of all parts, from 1
_LEAST_LINE = 1 << 21
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_OTHERS = {
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow (Feather) file",
    b"SQLite format 3": "an SQLite database",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"%PDF": "a PDF",
    b"<": "a web page or XML",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are to be read; what is None is found out."""

    delimiter: str | None = None
    encoding: str | None = None  # of text without a byte order mark, any that Python knows; None: UTF-8
    time_format: str | None = None  # strptime's, for times that are neither ISO 8601 nor epoch numbers
    memory_mb: int = 512
    skip_lines: int = 0  # before the header
    sheet: str | None = None  # of a spreadsheet
    split: str | None = None  # separates the products in one cell; "none": a cell is one product whatever is in it
    unnest: tuple[str, ...] = ()  # columns that hold lists
    fill_down: bool = False  # order fields that stand on an order's first line only
    like: str | None = None  # the shop or tool that wrote the files


@dataclass(frozen=True, slots=True)
class Part:
    """An input as a table, or a part of one."""

    name: str
    source: str  # SQL, for FROM
    types: dict[str, DuckDBPyType]
    account: LineAccount
    remarks: tuple[str, ...] = ()
    row: str = "row_number() OVER ()"  # SQL of the row's number, from 1
    encoding: str = ""  # of text
    likely: str = ""  # the encoding to try if the text has undecodable bytes


def parts_of(
    connection: duckdb.DuckDBPyConnection,
    inputs: Iterable[Input],
    reading: Reading,
    scratch: Path,
    progress: Progress | None,
) -> list[Part]:
    """Open and look at every input. Raises UnreadableFile."""
    parts: list[Part] = []
    for source in inputs:
        with ExitStack() as closing:
            every = unpacked(source, scratch, closing)
            parts += [_described(connection, _part(opened, reading, scratch, progress)) for opened in every]
    return parts


def _part(opened: Opened, reading: Reading, scratch: Path, progress: Progress | None) -> Part:
    start = opened.start
    if not start:
        raise UnreadableFile(f"{opened.name} is empty; it should be a CSV file with a header line, or Parquet")
    if start.startswith(b"PAR1"):
        assert opened.path is not None
        source = _PARQUET.format(path=pattern(opened.path))
        return Part(opened.name, source, {}, LineAccount(), row=f"{_PARQUET_ROW} + 1")
    if start.startswith(_SPREADSHEETS):
        return _spreadsheet(opened, reading, scratch)
    for magic, what in _OTHERS.items():
        if start.lstrip().startswith(magic):
            raise UnreadableFile(f"{opened.name} is {what}, neither CSV nor Parquet; save it as one of them")
    pieces = TextPieces(opened, reading.encoding, progress)
    if b"\x00" in start[:4] and not pieces.encoding.startswith(("utf-16", "utf-32")):
        raise UnreadableFile(f"{opened.name} is neither CSV nor Parquet; save it as one of them")
    first = start.decode(pieces.encoding, "replace").lstrip("\ufeff \t\r\n")
    found = _json(opened, pieces, scratch) if re.match(r"\{|\[\s*\{", first) else _csv(opened, pieces, reading, scratch)
    return replace(found, encoding=pieces.encoding, likely=pieces.likely)


def _csv(opened: Opened, pieces: TextPieces, reading: Reading, scratch: Path) -> Part:
    with _new_file(scratch, ".csv") as out:
        found = clean_csv(iter(pieces), out, delimiter=reading.delimiter, skip=reading.skip_lines)
    return _of_csv(opened.name, Path(out.name), found)


def _of_csv(name: str, path: Path, found: CleanCsv | None, *remarks: str) -> Part:
    if found is None:
        raise UnreadableFile(
            f"{name} is empty: it has no header line (nothing but blank lines, or --skip-lines is too many)"
        )
    source = _CSV.format(
        path=pattern(path),
        delimiter=literal(found.delimiter),
        longest=max(4 * found.longest, _LEAST_LINE),
        columns=", ".join(f"{literal(column)}: 'VARCHAR'" for column in found.columns),
    )
    return Part(name, source, {}, found.account, tuple(remark for remark in remarks if remark))


def _json(opened: Opened, pieces: TextPieces, scratch: Path) -> Part:
    with _new_file(scratch, ".jsonl") as out:
        found = clean_json(iter(pieces), out)
    if not found.columns:
        raise UnreadableFile(
            f"{opened.name} begins like JSON, but holds no JSON object; write one object a line (JSON lines)"
        )
    columns = ", ".join(f"{literal(column)}: {literal(kind)}" for column, kind in found.columns.items())
    source = _JSON.format(path=pattern(Path(out.name)), longest=max(found.longest, 1 << 24), columns=columns)
    return Part(opened.name, source, {}, found.account)


def _spreadsheet(opened: Opened, reading: Reading, scratch: Path) -> Part:
    from consumers.file_import.sheets import clean_sheet  # noqa: PLC0415 - few files are spreadsheets

    with _new_file(scratch, ".csv") as out:
        found, said = clean_sheet(
            opened.stream,
            opened.name,
            out,
            sheet=reading.sheet,
            skip=reading.skip_lines,
        )
    return _of_csv(opened.name, Path(out.name), found, said)


def _described(connection: duckdb.DuckDBPyConnection, part: Part) -> Part:
    """The part with its columns, and its rows counted where its file says how many there are."""
    try:
        table = connection.sql(f"FROM {part.source} LIMIT 0")
        types = dict(zip(table.columns, table.types, strict=True))
        if not part.account.total:
            counted = connection.execute(f"SELECT count(*) FROM {part.source}").fetchone()
            assert counted is not None
            part.account.add(counted[0], 1)
            part.account.total = counted[0]
    except duckdb.Error as error:
        raise UnreadableFile(
            f"{part.name} cannot be read: it begins like a Parquet file, but is torn or damaged; write it anew"
        ) from error
    types.pop(_PARQUET_ROW, None)
    return replace(part, types=types)


def _new_file(scratch: Path, suffix: str) -> BinaryIO:
    return (scratch / f"clean-{len(list(scratch.iterdir()))}{suffix}").open("wb")


def literal(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def unless_blank(column: str) -> str:
    """SQL of a column, blank texts as NULL."""
    name = identifier(column)
    return f"CASE WHEN trim(CAST({name} AS VARCHAR)) <> '' THEN {name} END"


def pattern(path: Path) -> str:
    """A path as an SQL literal: DuckDB takes it for a pattern, where in brackets a special character means itself."""
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def together(parts: Sequence[Part]) -> str:
    """SQL of all parts as one table, `alsobought_line` counting its rows from 1; columns are matched by name."""
    selects, before = [], 0
    kinds: dict[str, set[str]] = {}
    for part in parts:
        for column, kind in part.types.items():
            kinds.setdefault(column.casefold(), set()).add(str(kind))
    for part in parts:
        columns = [
            identifier(column)
            if len(kinds[column.casefold()]) == 1
            else f"{_as_text(column, kind)} AS {identifier(column)}"
            for column, kind in part.types.items()
        ]
        selects.append(f"SELECT {', '.join(columns)}, {before} + {part.row} AS {LINE} FROM {part.source}")
        before += part.account.rows
    return "(" + " UNION ALL BY NAME ".join(selects) + ")"


def _as_text(column: str, kind: DuckDBPyType) -> str:
    """A column whose type differs from part to part, so that the same number is the same text in each."""
    name = identifier(column)
    if kind.id in {"float", "double"}:
        whole = f"CAST(CAST({name} AS BIGINT) AS VARCHAR)"
        return f"CASE WHEN {name} = trunc({name}) AND abs({name}) < 9e15 THEN {whole} ELSE CAST({name} AS VARCHAR) END"
    if kind.id == "decimal":
        return rf"regexp_replace(CAST({name} AS VARCHAR), '\.0+$', '')"
    return f"CAST({name} AS VARCHAR)"
