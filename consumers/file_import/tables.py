"""A CSV (also .gz) or Parquet file as a table that DuckDB reads, every column reachable as text, number or time.

In: a path. Out: the file's columns and SQL expressions over them; CSV lines that fit no table go to `reject_errors`.
Promise: memory stays within the limit given; what does not fit goes to a scratch folder that is gone afterwards.
"""

import gzip
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

Progress = Callable[[str, float], None]

_CONTENT_COLUMNS = 20
_SNIFF_BYTES = 65_536
_DELIMITERS = ",;\t|"
_NUMBERS = re.compile(r"FLOAT|DOUBLE|DECIMAL|(U|HUGE|UHUGE|BIG|UBIG|SMALL|USMALL|TINY|UTINY)?INT(EGER)?|UINTEGER")
_TIMES = re.compile(r"DATE|TIMESTAMP.*")

# By size: seconds reach 1e11 in the year 5138, milliseconds 1e14, microseconds 1e17. Eight digits are a day (20261124).
_NUMBER_AS_MS = """CASE WHEN regexp_full_match({text}, '(19|20)[0-9]{{6}}')
  THEN epoch_ms(try_strptime({text}, '%Y%m%d'))
  ELSE CAST(floor(CASE WHEN abs({number}) < 1e11 THEN {number} * 1e3 WHEN abs({number}) < 1e14 THEN {number}
    WHEN abs({number}) < 1e17 THEN {number} / 1e3 WHEN abs({number}) < 1e20 THEN {number} / 1e6 END) AS BIGINT) END"""

_CSV = (
    "read_csv({path}, all_varchar=true, header=true, delim={delimiter}, quote='\"', escape='\"', encoding={encoding},"
    " compression={compression}, ignore_errors=true, store_rejects=true)"
)
_PARQUET = "read_parquet({path}, binary_as_string=true, file_row_number=true)"
_ROW_NUMBER = "file_row_number"


class UnreadableFile(Exception):
    """Raised when a file, or a column that was named, is not there or not readable; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read; what is None is found out."""

    delimiter: str | None = None
    encoding: str = "utf-8"  # of CSV: utf-8, latin-1, utf-16
    time_format: str | None = None  # strptime's, for times that are neither ISO 8601 nor epoch numbers
    memory_mb: int = 512


@dataclass(frozen=True, slots=True)
class TableFile:
    """An existing file as a source of SELECT."""

    path: Path
    source: str  # SQL of the table, for FROM ... AS alsobought_row
    row: str  # SQL of the row's number, from 1
    types: dict[str, str] = field(default_factory=dict)  # DuckDB's type by column

    def find(self, name: str, option: str) -> str:
        """Return the column's name as the file spells it. Raises UnreadableFile with the columns there are."""
        for column in self.types:
            if column.casefold() == name.casefold():
                return column
        raise UnreadableFile(
            f"{self.path} has no column {name!r}; it has: {', '.join(self.types)}. Name the right one with {option}"
        )

    def spelled(
        self, named: Mapping[str, str | None], *, may_lack: Collection[str], option: str
    ) -> dict[str, str | None]:
        """Return what `named` maps to columns with the columns as the file spells them; None for what has no column.

        `option` names what to map with ({} is a key of `named`). Raises UnreadableFile for a column that is not
        there, unless its name is one of `may_lack`.
        """
        there = {column.casefold() for column in self.types}
        return {
            what: None
            if name is None or (name in may_lack and name.casefold() not in there)
            else self.find(name, option.format(what))
            for what, name in named.items()
        }

    def text(self, column: str | None) -> str:
        """SQL of a column as text: blank is NULL, a whole number in a column of fractions loses its `.0`."""
        if column is None:
            return "CAST(NULL AS VARCHAR)"
        name, kind = quoted(column), self.types[column]
        if kind in {"FLOAT", "DOUBLE"}:
            whole = f"{name} = trunc({name}) AND abs({name}) < 9e15"
            fraction = f"CASE WHEN NOT isnan({name}) THEN CAST({name} AS VARCHAR) END"
            return f"CASE WHEN {whole} THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE {fraction} END"
        if kind.startswith("DECIMAL"):
            return rf"regexp_replace(CAST({name} AS VARCHAR), '\.0+$', '')"
        return f"CASE WHEN trim(CAST({name} AS VARCHAR)) <> '' THEN CAST({name} AS VARCHAR) END"

    def time_ms(self, column: str, time_format: str | None) -> str:
        """SQL of a column as BIGINT milliseconds since 1970 UTC, NULL where it is no time."""
        name, text = quoted(column), self.text(column)
        if _TIMES.fullmatch(self.types[column]):
            return f"epoch_ms(CAST({name} AS TIMESTAMPTZ))"
        if time_format:
            return f"epoch_ms(CAST(try_strptime({text}, {literal(time_format)}) AS TIMESTAMPTZ))"
        number = _NUMBER_AS_MS.format(text=f"trim({text})", number=f"try_cast({text} AS DOUBLE)")
        if _NUMBERS.fullmatch(self.types[column].split("(")[0]):
            return number
        return f"coalesce(epoch_ms(try_cast({text} AS TIMESTAMPTZ)), {number})"

    def content(self) -> str:
        """SQL of a list with every column's text, to show a row that cannot be used."""
        columns = list(self.types)[:_CONTENT_COLUMNS]
        return f"[{', '.join(self.text(column) for column in columns)}]"


def literal(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A column's name as an SQL identifier, within the table (or the struct) `alsobought_row`."""
    return 'alsobought_row."' + name.replace('"', '""') + '"'


@contextmanager
def scratch(memory_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a DuckDB connection over a database of its own in the system's temporary folder, in UTC."""
    with tempfile.TemporaryDirectory(prefix="alsobought-import-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": folder,
            "autoinstall_known_extensions": False,
        }
        connection = duckdb.connect(f"{folder}/rows.duckdb", config=config)
        try:
            connection.execute("SET enable_progress_bar = true").execute("SET enable_progress_bar_print = false")
            yield connection.execute("SET TimeZone = 'UTC'")
        finally:
            connection.close()


def open_table(connection: duckdb.DuckDBPyConnection, path: Path, reading: Reading) -> TableFile:
    """Find out what kind of file it is, by its first bytes, and which columns it has."""
    start = _first_bytes(path)
    if start.startswith(b"PAR1"):
        source, row = _PARQUET.format(path=_pattern(path)), f"{_ROW_NUMBER} + 1"
    else:
        source, row = _csv(path, start, reading), "row_number() OVER ()"
    described = run(connection, f"DESCRIBE FROM {source}", path).fetchall()
    return TableFile(path, source, row, {name: kind for name, kind, *_ in described if name != _ROW_NUMBER})


def run(
    connection: duckdb.DuckDBPyConnection, sql: str, path: Path, progress: Progress | None = None
) -> duckdb.DuckDBPyConnection:
    """Execute a statement about `path`. Raises UnreadableFile when DuckDB cannot; `progress` is told the share done."""
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(connection.execute, sql)
        try:
            while progress and wait([running], 0.1).not_done:
                progress("reading", min(max(connection.query_progress(), 0) / 100, 1))
            running.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise
        except duckdb.OutOfMemoryException as error:
            raise UnreadableFile(f"{path}: no room to sort it: {error}. Point TMPDIR to a larger disk") from error
        except duckdb.Error as error:
            raise UnreadableFile(f"{path} cannot be read: {error}") from error
    if progress:
        progress("reading", 1.0)
    return connection


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(_SNIFF_BYTES)
        if start.startswith(b"\x1f\x8b"):
            with gzip.open(path) as file:
                return b"\x1f\x8b" + file.read(_SNIFF_BYTES)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror or error}") from error
    except EOFError as error:
        raise UnreadableFile(f"{path} is a broken gzip file: {error}") from error
    if not start:
        raise UnreadableFile(f"{path} is empty; it should be a CSV file with a header line, or Parquet")
    if b"\x00" in start[:4] or start.startswith(b"PK"):
        raise UnreadableFile(f"{path} is neither CSV nor Parquet; save it as one of them")
    return start


def _csv(path: Path, start: bytes, reading: Reading) -> str:
    compression = "gzip" if start.startswith(b"\x1f\x8b") else "none"
    header = re.sub(rb'"[^"]*"', b"", start).split(b"\n", 1)[0].decode(reading.encoding, "replace")
    delimiter = reading.delimiter or max(_DELIMITERS, key=header.count)
    return _CSV.format(
        path=_pattern(path),
        delimiter=literal(delimiter),
        encoding=literal(reading.encoding),
        compression=literal(compression),
    )


def _pattern(path: Path) -> str:
    # DuckDB takes a path for a pattern: in brackets a special character means itself.
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))
