"""Files of whatever kind as one table that DuckDB reads, every column reachable as text.

In: paths. Out: the table's columns and SQL expressions over them; the account of the files' lines.
Promise: memory stays within the limit given; what does not fit goes to a scratch folder that is gone afterwards.
"""

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from consumers.file_import.inputs import UnreadableFile, inputs_of
from consumers.file_import.known_exports import likely
from consumers.file_import.nesting import ELEMENTS, ColumnTypes, fields_of, flat, refuse_nested
from consumers.file_import.parts import LINE, Part, Reading, parts_of, together
from model.progress import Progress

WHERE = "--where NAME=VALUE"  # the option of conditions
_CONTENT_COLUMNS = 20
_NAMED_COLUMNS = 60  # in an error


@dataclass(frozen=True, slots=True)
class TableFile:
    """Existing files as a source of SELECT."""

    path: str  # what to call the files
    source: str  # SQL of the table, for FROM ... AS alsobought_row
    row: str  # SQL of the row's number, from 1
    types: dict[str, str] = field(default_factory=dict)  # DuckDB's type by column
    kinds: ColumnTypes = field(default_factory=dict)  # the same, with what is in lists and objects
    parts: tuple[Part, ...] = ()
    remarks: tuple[str, ...] = ()  # what to say of how the files were read
    rows_a_line: int = 1  # a row's number, divided by this, is its line's number among all rows of the files

    def find(self, name: str, option: str) -> str:
        """Return the column's name as the file spells it. Raises UnreadableFile with the columns there are."""
        found = self._column(name)
        if found is None:
            raise self._missing({name: (option, likely("", name, self.types))})
        return found

    def spelled(
        self, named: Mapping[str, str | None], *, may_lack: Collection[str], option: str
    ) -> dict[str, str | None]:
        """Return what `named` maps to columns with the columns as the file spells them; None for what has no column.

        `option` names what to map with ({} is a key of `named`). Raises UnreadableFile for all columns that are not
        there, unless their names are of `may_lack`, and for one that holds lists.
        """
        found = {what: None if name is None else self._column(name) for what, name in named.items()}
        missing = {
            name: (option.format(what), likely(what, name, self._free(found)))
            for what, name in named.items()
            if name is not None and found[what] is None and name not in may_lack
        }
        if missing:
            raise self._missing(missing, self._further(named, found, missing, option))
        for column in found.values():
            if column is not None:
                refuse_nested(self.path, column, self.kinds[column])
        return found

    def changed(self, source: str, types: ColumnTypes, *remarks: str) -> "TableFile":
        """This table's files with other columns, out of SQL over it."""
        return replace(
            self,
            source=source,
            kinds=types,
            types={name: str(kind) for name, kind in types.items()},
            remarks=(*self.remarks, *remarks),
        )

    def twice(self, columns: Collection[str | None]) -> list[str]:
        """What to say of `columns` whose name stands twice in the header: the second is called by a number."""
        there = {column.casefold(): column for column in self.types}
        again = {column: there.get(f"{column} 2".casefold()) for column in columns if column is not None}
        return [
            f"there is also a column {second!r}: {column!r} is what is read (--NAME-column for the other)"
            for column, second in again.items()
            if second and second not in columns
        ]

    def _column(self, name: str) -> str | None:
        """A column by its name, or by the last part of the name of a field; the first one."""
        if name in self.types:
            return name
        folded = name.casefold()
        whole = (column for column in self.types if column.casefold() == folded)
        return next(whole, None) or next(
            (column for column in self.types if column.casefold().endswith(f".{folded}")), None
        )

    def _free(self, found: Mapping[str, str | None]) -> list[str]:
        taken = set(found.values())
        return [column for column, kind in self.kinds.items() if column not in taken and not fields_of(kind)]

    def _further(
        self,
        named: Mapping[str, str | None],
        found: Mapping[str, str | None],
        missing: Mapping[str, tuple[str, str | None]],
        option: str,
    ) -> list[tuple[str, str]]:
        """The options and likely columns of what may be missing and is."""
        taken = {column for _, column in missing.values()}
        if taken == {None}:  # then these are not the columns of orders at all
            return []
        free = [column for column in self._free(found) if column not in taken]
        guesses = [
            (option.format(what), likely(what, name, free))
            for what, name in named.items()
            if name is not None and found[what] is None and name not in missing
        ]
        return [(option, column) for option, column in guesses if column]

    def _missing(
        self, missing: Mapping[str, tuple[str, str | None]], further: Sequence[tuple[str, str]] = ()
    ) -> UnreadableFile:
        """Name all columns that are missing, and the option and likely column for each and for `further` ones."""
        several = len(missing) > 1
        there = list(self.types)[:_NAMED_COLUMNS]
        more = f" and {len(self.types) - len(there)} more" if len(self.types) > len(there) else ""
        options = " ".join(option for option, _ in missing.values())
        likely_ones = [_mapped(option, column) for option, column in [*missing.values(), *further] if column]
        meant = f". Did you mean: {' '.join(likely_ones)}" if likely_ones else ""
        return UnreadableFile(
            f"{self.path} has no column{'s' * several} {', '.join(map(repr, missing))}; "
            f"it has: {', '.join(there)}{more}. "
            f"Name the right one{'s' * several} with {options}{meant}{self._where(missing)}"
        )

    def _where(self, missing: Mapping[str, tuple[str, str | None]]) -> str:
        """Where the columns may be: in a list, or below lines that are no header."""
        for column, kind in self.kinds.items():
            fields = {each.casefold() for each in fields_of(kind)}
            unlike = any(column is None for _, column in missing.values())  # no other column comes near
            if kind.id == "list" and fields and (unlike or fields & {name.casefold() for name in missing}):
                inside = ", ".join(fields_of(kind))
                return f". Column {column} holds lists with {inside}: --unnest {column} makes rows of it"
        for part in self.parts:
            for example in part.account.examples:
                if sum(name.casefold() in example.text.casefold() for name in missing) >= min(2, len(missing)):
                    return f". Line {example.line} looks like the header: --skip-lines {example.line - 1}"
        return ""

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

    def content(self) -> str:
        """SQL of a list with every column's text, to show a row that cannot be used."""
        return f"[{', '.join(self.text(column) for column in self.shown)}]"

    @property
    def shown(self) -> list[str]:
        """The columns of `content`: the first ones that hold a text or number."""
        plain = [
            column for column, kind in self.kinds.items() if kind.id not in {"blob", "list", "array", "map", "union"}
        ]
        return plain[:_CONTENT_COLUMNS]


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


def open_table(
    connection: duckdb.DuckDBPyConnection,
    path: Path | str | Sequence[Path | str],
    reading: Reading,
    progress: Progress | None = None,
) -> TableFile:
    """Find out what kind of files these are, by their first bytes, and which columns they have.

    `path` may be a file, a pattern, a folder, `-` for standard input, or several of them. Raises UnreadableFile.
    """
    named = [path] if isinstance(path, (str, Path)) else list(path)
    folder = Path(scratch_folder(connection))
    parts = parts_of(connection, inputs_of(named), reading, folder, progress)
    name = parts[0].name if len(parts) == 1 else f"{', '.join(map(str, named))} ({len(parts)} files)"
    types = {column: kind for part in reversed(parts) for column, kind in part.types.items()}
    try:
        source = together(parts)
        table = connection.sql(f"SELECT * EXCLUDE ({LINE}) FROM {source} LIMIT 0")
        types = dict(zip(table.columns, table.types, strict=True))
    except duckdb.Error as error:
        raise UnreadableFile(
            f"{name}: these files have columns that do not fit together; import them one by one"
        ) from error
    unnest = reading.unnest
    source, types = flat(name, source, types, unnest)
    remarks = tuple(
        remark if len(parts) == 1 else f"{part.name}: {remark}" for part in parts for remark in part.remarks
    )
    elements = ELEMENTS if unnest else 1
    found = TableFile(name, source, LINE, parts=tuple(parts), remarks=remarks, rows_a_line=elements)
    return found.changed(source, types)


def scratch_folder(connection: duckdb.DuckDBPyConnection) -> str:
    """The folder of a connection that `scratch` made."""
    found = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    assert found is not None
    return str(found[0])


def run(
    connection: duckdb.DuckDBPyConnection, sql: str, path: object, progress: Progress | None = None
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
            raise UnreadableFile(
                f"{path}: no room to sort it: give more --memory-mb, or point TMPDIR to a larger disk"
            ) from error
        except duckdb.ProgrammingError:
            raise  # a fault of ours
        except duckdb.Error as error:
            raise UnreadableFile(f"{path} cannot be read: {_cause(error)}") from error
    if progress:
        progress("reading", 1.0)
    return connection


def _mapped(option: str, column: str) -> str:
    """An option with the column in place, ready to be copied."""
    shown = f'"{column}"' if re.search(r"[^\w.-]", column) else column
    return option.replace("NAME", shown) if "NAME" in option else f"{option} {shown}"


def _cause(error: duckdb.Error) -> str:
    """What stopped DuckDB, in our words: its own are about its SQL."""
    text = str(error)
    if "No space left" in text:
        return "the disk of the scratch folder is full: point TMPDIR to a larger one"
    if isinstance(error, duckdb.IOException):
        return "the disk failed, or the file was changed while it was read"
    return "what stands in it contradicts itself (a torn or damaged file?); write it anew"
