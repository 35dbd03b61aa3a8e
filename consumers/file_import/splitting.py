"""Cells that hold several products: split when asked, refused with the option that does it otherwise.

In: a table and which of its columns is which. Out: the same with a line for each product. Promise: a cell that holds
several products never passes for one in silence.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import duckdb
from duckdb.sqltypes import VARCHAR

from consumers.file_import.inputs import UnreadableFile
from consumers.file_import.nesting import ELEMENTS, element
from consumers.file_import.parts import LINE, identifier, literal, unless_blank
from consumers.file_import.tables import TableFile

Found = dict[str, str | None]

_SAMPLE = 5_000
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


def split(
    connection: duckdb.DuckDBPyConnection, table: TableFile, found: Found, separator: str | None
) -> tuple[TableFile, Found]:
    """A line for each product of a cell, where that is asked. Raises UnreadableFile for such cells if it is not."""
    product = found["product"]
    assert product is not None
    if separator == _AS_IT_IS or (separator is None and table.kinds[product].id != "varchar"):
        return table, found
    cells = connection.execute(
        f"SELECT CAST({identifier(product)} AS VARCHAR) FROM {table.source} "
        f"WHERE {unless_blank(product)} IS NOT NULL LIMIT {_SAMPLE}"
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
    remark = f"cells of {product} are split by {separator!r}: a line for each product"
    if beside:
        remark += f"; {' and '.join(beside)} count where they have as many values"
    split = replace(table.changed(source, kinds, remark), rows_a_line=ELEMENTS)
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
