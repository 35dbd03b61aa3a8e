"""Files arranged as lines of orders: whose columns they are, order fields filled down, lists in cells split.

In: paths, the columns asked for, how to read. Out: the table, and which of its columns is which. Promise: what
was guessed, and what an option would do, is among the table's remarks.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from duckdb.sqltypes import VARCHAR

from consumers.file_import.inputs import UnreadableFile
from consumers.file_import.known_exports import EXPORTS, NEEDED, Export, chosen, recognised
from consumers.file_import.nesting import ELEMENTS, fields_of, flat
from consumers.file_import.parts import LINE, Progress, Reading, identifier, unless_blank
from consumers.file_import.splitting import Found, split
from consumers.file_import.tables import WHERE, TableFile, open_table

Named = Mapping[str, str | None]

_SAMPLE = 5_000
_COMMON = ("customer", "product", "time", "order", "quantity", "price")  # what exports have columns for


@dataclass(frozen=True, slots=True)
class Asked:
    """The columns asked for: names by what they stand for, of which some may be missing."""

    named: Named
    may_lack: Collection[str]
    option: str  # names a column; {} is what it stands for
    usual: Named  # the names that nobody had to give
    conditions: Collection[str] = ()  # columns that say which rows are meant


def open_arranged(
    connection: duckdb.DuckDBPyConnection,
    path: Path | str | Sequence[Path | str],
    asked: Asked,
    reading: Reading,
    progress: Progress | None = None,
) -> tuple[TableFile, Found]:
    """Open the files and find the columns. Raises UnreadableFile."""
    table = open_table(connection, path, reading, progress)
    of_orders = "customer" in asked.named
    export = EXPORTS[reading.like] if reading.like and of_orders else _guessed(table, asked)
    if export:
        table, asked, reading = _as_export(table, asked, export, reading)
    found = table.spelled(asked.named, may_lack=asked.may_lack, option=asked.option)
    needed = [column for what in asked.named if (column := found[what]) and asked.named[what] not in asked.may_lack]
    table = replace(table, remarks=(*table.remarks, *_apart_from_others(table, needed), *table.twice(found.values())))
    table = _decoded(table, found)
    if not of_orders:
        return table, found
    if reading.fill_down:
        table = _filled_down(table, found, _of_orders(connection, table, found, asked.conditions))
    elif remark := _would_fill(connection, table, found, asked.conditions):
        table = replace(table, remarks=(*table.remarks, remark))
    return split(connection, table, found, reading.split)


def _apart_from_others(table: TableFile, needed: Sequence[str]) -> list[str]:
    """What to say of files that have none of the columns that others have."""
    missing = {part.name: [column for column in needed if column not in part.types] for part in table.parts}
    several = len(table.parts) > 1 and not any("." in column for column in needed)
    return [
        f"{name} has no column {', '.join(columns)}: if it is no file of the same kind, leave it out"
        for name, columns in missing.items()
        if several and columns
    ]


def _guessed(table: TableFile, asked: Asked) -> Export | None:
    """The export that the files are, if nobody named a column and the usual ones are not all there."""
    there = {column.casefold() for column in table.types}
    needed = {what: asked.named.get(what) for what in NEEDED}
    if any(name not in {None, asked.usual.get(what)} for what, name in asked.named.items() if what in _COMMON):
        return None
    if None in needed.values() or all(str(name).casefold() in there for name in needed.values()):
        return None
    inner = [f"{column}.{field}" for column, kind in table.kinds.items() for field in fields_of(kind)]
    keys = recognised(table.types, inner)
    best = max(
        keys, key=lambda key: sum(map(bool, chosen(EXPORTS[key], [*table.types, *inner]).values())), default=None
    )
    return EXPORTS[best] if best else None


def _as_export(table: TableFile, asked: Asked, export: Export, reading: Reading) -> tuple[TableFile, Asked, Reading]:
    lists = [column for column in export.unnest if column in table.types and table.kinds[column].id == "list"]
    if lists and table.rows_a_line == 1:
        table = replace(table.changed(*flat(table.path, table.source, table.kinds, lists)), rows_a_line=ELEMENTS)
    names = chosen(export, table.types)
    named = {
        what: name if name != asked.usual.get(what) else names.get(what) or (name if what in NEEDED else None)
        for what, name in asked.named.items()
    }
    missing = [what for what in NEEDED if named[what] == asked.usual.get(what) and not names.get(what)]
    named |= {what: export.columns[what][0] for what in missing if export.columns[what]}
    said = ", ".join(f"{what} {name}" for what, name in named.items() if name)
    remark = f"read as an export of {export.title}: {said} (--like, and --NAME-column for others)"
    if named["time"] in export.counts and reading.time_format is None:
        raise UnreadableFile(
            f"{table.path} is an export of {export.title}, whose orders have no time: give --time-format "
            f"day:2026-01-01 to take {named['time']} for days counted from then, which keeps each customer's orders "
            "in order, or name a column of times with --time-column"
        )
    reading = replace(reading, fill_down=reading.fill_down or export.fill_down)
    return replace(table, remarks=(*table.remarks, remark)), replace(asked, named=named), reading


def _decoded(table: TableFile, found: Found) -> TableFile:
    """Texts that a Parquet file does not call text, as text; bytes that are none are NULL."""
    binary = [column for column in found.values() if column is not None and table.kinds[column].id == "blob"]
    if not binary:
        return table
    replaced = ", ".join(f"try(decode({identifier(column)})) AS {identifier(column)}" for column in binary)
    kinds = table.kinds | dict.fromkeys(binary, VARCHAR)
    return table.changed(f"(SELECT * REPLACE ({replaced}) FROM {table.source})", kinds)


def _of_orders(
    connection: duckdb.DuckDBPyConnection, table: TableFile, found: Found, conditions: Collection[str]
) -> list[str]:
    """Those columns of conditions that say something of an order: they stand on its first line and nowhere else."""
    order = found.get("order")
    columns = [column for name in conditions if (column := table.find(name, WHERE)) not in found.values()]
    if not order or not columns:
        return []
    further = f"row_number() OVER (PARTITION BY {unless_blank(order)} ORDER BY {LINE}) > 1 AS further"
    counts = ", ".join(f"count({unless_blank(column)})" for column in columns)
    counted = connection.execute(
        f"SELECT {counts} FROM (SELECT *, {further} FROM {table.source}) WHERE further"
    ).fetchone()
    assert counted is not None
    return [column for column, count in zip(columns, counted, strict=True) if not count]


def _filled_down(table: TableFile, found: Found, further: Collection[str]) -> TableFile:
    """Order fields, and `further` columns, that a line leaves blank come from the line above it, of the same order."""
    order = found.get("order")
    above = f"OVER (ORDER BY {LINE} ROWS UNBOUNDED PRECEDING)"
    same = f"OVER (PARTITION BY alsobought_order ORDER BY {LINE} ROWS UNBOUNDED PRECEDING)"
    fields = [column for what in ("customer", "time", "clock", "brand") if (column := found.get(what))] + list(further)
    if order:
        inner = f"(SELECT *, {_last(order, above)} AS alsobought_order FROM {table.source})"
    else:
        # Without order ids an order begins where a line has a field of it; a guest's line keeps its blank customer.
        starts = " OR ".join(f"{unless_blank(column)} IS NOT NULL" for column in fields)
        inner = f"(SELECT *, count(*) FILTER ({starts}) {above} AS alsobought_order FROM {table.source})"
    fill = {column: _last(column, same) for column in fields}
    if order:
        fill[order] = "alsobought_order"
    replaced = ", ".join(f"{sql} AS {identifier(column)}" for column, sql in fill.items())
    return table.changed(f"(SELECT * EXCLUDE (alsobought_order) REPLACE ({replaced}) FROM {inner})", table.kinds)


def _last(column: str, window: str) -> str:
    """SQL of what a column held last within a window."""
    return f"last_value({unless_blank(column)} IGNORE NULLS) {window}"


def _would_fill(
    connection: duckdb.DuckDBPyConnection, table: TableFile, found: Found, conditions: Collection[str]
) -> str | None:
    """What to say when customers, times or what is asked for stand on some lines of an order only."""
    order = found.get("order")
    if not order:
        return None
    names = [str(found[what]) for what in ("customer", "time")]
    for name in names + _of_orders(connection, table, found, conditions):
        counted = connection.execute(
            f"SELECT count(*) FROM (SELECT count({unless_blank(name)}) AS filled, count(*) AS lines FROM "
            f"(SELECT * FROM {table.source} LIMIT {_SAMPLE}) GROUP BY {unless_blank(order)} "
            f"HAVING {unless_blank(order)} IS NOT NULL AND filled BETWEEN 1 AND lines - 1)"
        ).fetchone()
        if counted and counted[0]:
            return (
                f"{name} stands on some lines only of {counted[0]:,} orders: --fill-down takes it from the line above"
            )
    return None
