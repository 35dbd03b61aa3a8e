"""Files arranged as lines of orders: whose columns they are, lists in cells split, order fields filled down.

In: paths, the columns asked for, how to read. Out: the table, and which of its columns is which. Promise: a cell that
holds several products never passes for one in silence.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from duckdb.sqltypes import VARCHAR

from consumers.file_import.inputs import UnreadableFile
from consumers.file_import.known_exports import EXPORTS, NEEDED, Export, chosen, recognised
from consumers.file_import.nesting import ELEMENTS, element, fields_of, flat
from consumers.file_import.parts import LINE, Progress, Reading, identifier, literal
from consumers.file_import.tables import TableFile, open_table

Named = Mapping[str, str | None]
Found = dict[str, str | None]

_SAMPLE = 5_000
_COMMON = ("customer", "product", "time", "order", "quantity", "price")  # what exports have columns for
_AS_IT_IS = "none"  # of --split
_SEPARATORS = (";", "|", "\n", "\t", ",")
_SAFE = ";|\n\t"  # hardly ever part of an id
_SHARE = 0.3  # of the cells that must hold a separator
_RECORD = re.compile(r"\s*\w[\w -]*:[^|;]*(?:\|\s*\w[\w -]*:[^|;]*)+")  # product_id:31|quantity:2
_BARE = "trim(trim(x), '\"''')"  # SQL of an element of a list, without blanks and quotation marks
_FIELDS = {
    "product": ("product_id", "sku", "id", "variation_id", "name"),
    "quantity": ("quantity", "qty"),
    "price": ("price", "unit_price"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The columns asked for: names by what they stand for, of which some may be missing."""

    named: Named
    may_lack: Collection[str]
    option: str  # names a column; {} is what it stands for
    usual: Named  # the names that nobody had to give


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
    table = _decoded(table, found)
    if not of_orders:
        return table, found
    if reading.fill_down:
        table = _filled_down(table, found)
    elif note := _would_fill(connection, table, found):
        table = replace(table, notes=(*table.notes, note))
    return _split(connection, table, found, reading.split)


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
    note = f"read as an export of {export.title}: {said} (--like, and --NAME-column for others)"
    if named["time"] in export.counts and reading.time_format is None:
        raise UnreadableFile(
            f"{table.path} is an export of {export.title}, whose orders have no time: give --time-format "
            f"day:2026-01-01 to take {named['time']} for days counted from then, which keeps each customer's orders "
            "in order, or name a column of times with --time-column"
        )
    reading = replace(reading, fill_down=reading.fill_down or export.fill_down)
    return replace(table, notes=(*table.notes, note)), replace(asked, named=named), reading


def _decoded(table: TableFile, found: Found) -> TableFile:
    """Texts that a Parquet file does not call text, as text; bytes that are none are NULL."""
    binary = [column for column in found.values() if column is not None and table.kinds[column].id == "blob"]
    if not binary:
        return table
    replaced = ", ".join(f"try(decode({identifier(column)})) AS {identifier(column)}" for column in binary)
    kinds = table.kinds | dict.fromkeys(binary, VARCHAR)
    return table.changed(f"(SELECT * REPLACE ({replaced}) FROM {table.source})", kinds)


def _blank(column: str) -> str:
    """SQL of a column, blank texts as NULL."""
    name = identifier(column)
    return f"CASE WHEN trim(CAST({name} AS VARCHAR)) <> '' THEN {name} END"


def _filled_down(table: TableFile, found: Found) -> TableFile:
    """Order fields that a line leaves blank come from the line above it, of the same order."""
    order = found.get("order")
    above = f"OVER (ORDER BY {LINE} ROWS UNBOUNDED PRECEDING)"
    fields = [column for what in ("customer", "time", "clock", "brand") if (column := found.get(what))]
    if order:
        same = f"OVER (PARTITION BY alsobought_order ORDER BY {LINE} ROWS UNBOUNDED PRECEDING)"
        inner = f"(SELECT *, last_value({_blank(order)} IGNORE NULLS) {above} AS alsobought_order FROM {table.source})"
        fill = {column: f"last_value({_blank(column)} IGNORE NULLS) {same}" for column in fields}
        fill[order] = "alsobought_order"
        exclude = " EXCLUDE (alsobought_order)"
    else:
        # Without order ids an order begins where a line has a field of it; a guest's line keeps its blank customer.
        starts = " OR ".join(f"{_blank(column)} IS NOT NULL" for column in fields)
        inner = f"(SELECT *, count(*) FILTER ({starts}) {above} AS alsobought_order FROM {table.source})"
        same = f"OVER (PARTITION BY alsobought_order ORDER BY {LINE} ROWS UNBOUNDED PRECEDING)"
        fill = {column: f"last_value({_blank(column)} IGNORE NULLS) {same}" for column in fields}
        exclude = " EXCLUDE (alsobought_order)"
    replaced = ", ".join(f"{sql} AS {identifier(column)}" for column, sql in fill.items())
    return table.changed(f"(SELECT *{exclude} REPLACE ({replaced}) FROM {inner})", table.kinds)


def _would_fill(connection: duckdb.DuckDBPyConnection, table: TableFile, found: Found) -> str | None:
    """What to say when customers or times stand on some lines of an order only."""
    order = found.get("order")
    if not order:
        return None
    for what in ("customer", "time"):
        name = found[what]
        assert name is not None
        counted = connection.execute(
            f"SELECT count(*) FROM (SELECT count({_blank(name)}) AS filled, count(*) AS lines FROM "
            f"(SELECT * FROM {table.source} LIMIT {_SAMPLE}) GROUP BY {_blank(order)} "
            f"HAVING {_blank(order)} IS NOT NULL AND filled BETWEEN 1 AND lines - 1)"
        ).fetchone()
        if counted and counted[0]:
            return (
                f"{name} stands on some lines only of {counted[0]:,} orders: --fill-down takes it from the line above"
            )
    return None


def _split(
    connection: duckdb.DuckDBPyConnection, table: TableFile, found: Found, separator: str | None
) -> tuple[TableFile, Found]:
    product = found["product"]
    assert product is not None
    if separator == _AS_IT_IS or (separator is None and table.kinds[product].id != "varchar"):
        return table, found
    cells = connection.execute(
        f"SELECT CAST({identifier(product)} AS VARCHAR) FROM {table.source} "
        f"WHERE {_blank(product)} IS NOT NULL LIMIT {_SAMPLE}"
    ).fetchall()
    texts = [text for (text,) in cells]
    if separator is None:
        if likely := likely_separator(texts):
            shown = texts_with(texts, likely)
            raise UnreadableFile(
                f"{table.path}: cells of column {product!r} hold several products each, such as {shown!r}: "
                f"give --split {_shell(likely)} to split them, or --split {_AS_IT_IS} if each is the id of one product"
            )
        return table, found
    return _apart(table, found, separator, _record_fields(texts, separator))


def likely_separator(cells: Sequence[str]) -> str | None:
    """What separates products that stand in one cell, None if cells seem to hold one product each."""
    if not cells:
        return None
    if sum(bool(_RECORD.match(cell)) for cell in cells) > len(cells) / 2:
        return next((each for each in (";", "\n", ",") if any(each in cell for cell in cells)), ";")
    if sum(cell.strip()[:1] + cell.strip()[-1:] in {"[]", "{}"} for cell in cells) > len(cells) / 2:
        return "," if any("," in cell for cell in cells) else ";"
    for separator in _SEPARATORS:
        lists = [cell.split(separator) for cell in cells if separator in cell.strip()]
        if not lists or len(lists) < _SHARE * len(cells):
            continue
        if separator in _SAFE or (len(lists) > 1 and _are_ids(lists, cells)):
            return separator
    return None


def _are_ids(lists: Sequence[list[str]], cells: Sequence[str]) -> bool:
    """Whether what commas separate are ids, and not the words of a name such as `Tea, green`."""
    parts = [part.strip() for each in lists for part in each]
    if not all(parts) or any(" " in part for part in parts):
        return False
    leading = {cell.split(",")[0].strip() for cell in cells}
    if any(part.strip() in leading for each in lists for part in each[1:]):
        return True
    lengths = {len(each) for each in lists} | ({1} if len(lists) < len(cells) else set())
    return not any(part != part.strip() for each in lists for part in each) and (
        len(lengths) > 1 or max(Counter(parts).values()) > 1
    )


def texts_with(cells: Sequence[str], separator: str) -> str:
    """The first cell that has the separator, shortened."""
    cell = next((cell for cell in cells if separator in cell), cells[0])
    return cell if len(cell) <= 60 else f"{cell[:57]}..."  # noqa: PLR2004 - a line of a terminal


def _shell(separator: str) -> str:
    return {"\n": "$'\\n'", "\t": "$'\\t'"}.get(separator, f'"{separator}"')


def _record_fields(cells: Sequence[str], separator: str) -> list[str]:
    """The names of the fields if the elements are records such as `product_id:31|quantity:2`."""
    elements = [element for cell in cells for element in cell.split(separator) if element.strip()]
    if not elements or 2 * sum(bool(_RECORD.match(each)) for each in elements) <= len(elements):
        return []
    names = (re.findall(r"(?:^|\|)\s*(\w[\w -]*):", each) for each in elements)
    return list(dict.fromkeys(name for each in names for name in each))


def _apart(table: TableFile, found: Found, separator: str, fields: Sequence[str]) -> tuple[TableFile, Found]:
    product = str(found["product"])
    cell = f"regexp_replace(trim(CAST({identifier(product)} AS VARCHAR)), '^[\\[{{(]|[\\]}})]$', '', 'g')"
    pieces = f"[{_BARE} for x in str_split({cell}, {literal(separator)}) if {_BARE} <> '']"
    beside = [column for what in ("quantity", "price") if (column := found.get(what)) and not fields]
    lists = [f"CASE WHEN len({pieces}) > 0 THEN {pieces} ELSE [NULL] END AS alsobought_products"]
    inner = f"(SELECT *, {', '.join(lists)} FROM {table.source})"
    columns = [f"unnest(alsobought_products) AS {identifier(product)}"]
    columns += [f"unnest({_beside(column, separator)}) AS {identifier(column)}" for column in beside]
    others = [identifier(column) for column in table.kinds if column not in {product, *beside}]
    index = "unnest(range(len(alsobought_products))) AS alsobought_index"
    number = f"{element('alsobought_index', inner=table.rows_a_line > 1)} AS {LINE}"
    source = f"(SELECT {', '.join([*others, LINE, *columns, index])} FROM {inner})"
    source = f"(SELECT * EXCLUDE (alsobought_index) REPLACE ({number}) FROM {source})"
    kinds = table.kinds | dict.fromkeys([product, *beside], VARCHAR)
    note = f"cells of {product} are split by {separator!r}: a line for each product"
    if beside:
        note += f"; {' and '.join(beside)} is taken where it has as many values"
    split = replace(table.changed(source, kinds, note), rows_a_line=ELEMENTS)
    return _with_fields(split, found, fields) if fields else (split, found)


def _beside(column: str, separator: str) -> str:
    """SQL of the list of values that go with the products of a cell; one value for several products is none's own."""
    text, count = f"CAST({identifier(column)} AS VARCHAR)", "len(alsobought_products)"
    values = f"[nullif(trim(x), '') for x in str_split({text}, {literal(separator)})]"
    return (
        f"CASE WHEN {text} IS NULL OR (NOT contains({text}, {literal(separator)}) AND {count} > 1) "
        f"THEN [CAST(NULL AS VARCHAR) for x in alsobought_products] "
        f"WHEN len({values}) = {count} THEN {values} ELSE [{text} for x in alsobought_products] END"
    )


def _with_fields(table: TableFile, found: Found, fields: Sequence[str]) -> tuple[TableFile, Found]:
    """Columns for the fields of the records that the elements are."""
    product = str(found["product"])
    texts = {f"{product}.{field}": field for field in fields}
    extracted = ", ".join(f"{_field(product, field)} AS {identifier(column)}" for column, field in texts.items())
    by_name = {field.casefold(): column for column, field in texts.items()}
    for what, names in _FIELDS.items():
        if column := next((by_name[name] for name in names if name in by_name), None):
            found = found | {what: column}
    if found["product"] == product:
        raise UnreadableFile(
            f"{table.path}: column {product!r} holds records with {', '.join(fields)}, none of which is a product's id"
        )
    kinds = table.kinds | dict.fromkeys(texts, VARCHAR)
    said = ", ".join(f"{what} {found[what]}" for what in _FIELDS if found.get(what))
    changed = table.changed(f"(SELECT *, {extracted} FROM {table.source})", kinds, f"taken from its records: {said}")
    return changed, found


def _field(column: str, field: str) -> str:
    """SQL of a field's value in a record such as `product_id:31|quantity:2`."""
    shape = literal(rf"(?:^|\|)\s*{re.escape(field)}:([^|]*)")
    return f"nullif(trim(regexp_extract({identifier(column)}, {shape}, 1)), '')"
