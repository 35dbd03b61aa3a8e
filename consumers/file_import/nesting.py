"""Columns that hold more than one value: objects as columns of their own, lists as rows where that is asked.

In: SQL of a table and its columns' types. Out: SQL of the flat table. Promise: a row whose list is empty stays a row,
with nothing in it, so that it is counted.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from duckdb.sqltypes import DuckDBPyType

from consumers.file_import.inputs import UnreadableFile
from consumers.file_import.parts import LINE, identifier

_NESTED = {"list", "array", "struct", "map", "union"}
ColumnTypes = dict[str, DuckDBPyType]


ELEMENTS = 1 << 28  # rows made of one line are numbered within it, by two lists one in the other
_OUTER = 1 << 14


def element(index: str, *, inner: bool) -> str:
    """SQL of a row's number that says which element of its line it is; `index` counts from 0."""
    clipped = f"least({index}, {_OUTER - 1})"  # what is longer still has all its rows, in no certain order
    return f"{LINE} + {clipped}" if inner else f"{LINE} * {ELEMENTS} + {clipped} * {_OUTER}"


def flat(name: str, source: str, types: ColumnTypes, unnest: Sequence[str]) -> tuple[str, ColumnTypes]:
    """SQL of the table with a column for each field of an object, and a row for each element of the lists named.

    Raises UnreadableFile for a name that is no list's.
    """
    columns = _fields(types)
    left = list(unnest)
    while left:
        there = {column.casefold(): column for column in columns}
        now = [there[given.casefold()] for given in left if given.casefold() in there]
        _refuse_missing(name, columns, left, now)
        source = _unnested(
            f"(SELECT {_select(columns)}, {LINE} FROM {source})", list(columns), now, inner=len(left) < len(unnest)
        )
        types = {each: _children(kind)[0][1] if each in now else kind for each, (_, kind) in columns.items()}
        left = [given for given in left if given.casefold() not in there]
        columns = _fields(types)
    if list(columns) == list(types):
        return source, types
    return f"(SELECT {_select(columns)}, {LINE} FROM {source})", {each: kind for each, (_, kind) in columns.items()}


def refuse_nested(name: str, column: str, kind: DuckDBPyType) -> None:
    """Raise UnreadableFile for a column that holds more than one value."""
    if kind.id not in _NESTED:
        return
    fields = ", ".join(f"{column}.{field}" for field in fields_of(kind))
    then = f" and name one of {fields}" if fields else ""
    if kind.id in {"list", "array"}:
        raise UnreadableFile(
            f"{name}: column {column!r} holds a list in each row: give --unnest {column}{then}, for a row each"
        )
    raise UnreadableFile(f"{name}: column {column!r} holds several values in each row (it is a {kind.id}){then}")


def fields_of(kind: DuckDBPyType) -> list[str]:
    """The fields of an object, or of the objects in a list."""
    if kind.id in {"list", "array"}:
        return fields_of(_children(kind)[0][1])
    return [field for field, _ in _children(kind)] if kind.id == "struct" else []


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """The fields of an object, or the one kind of elements of a list."""
    return cast("list[tuple[str, DuckDBPyType]]", kind.children)


def _fields(types: Mapping[str, DuckDBPyType]) -> dict[str, tuple[str, DuckDBPyType]]:
    """SQL and type of every column, objects taken apart."""
    found: dict[str, tuple[str, DuckDBPyType]] = {}

    def add(name: str, sql: str, kind: DuckDBPyType) -> None:
        if kind.id == "struct":
            for field, inner in _children(kind):
                add(f"{name}.{field}", f"{sql}.{identifier(field)}", inner)
        elif name.casefold() not in {each.casefold() for each in found}:
            found[name] = (sql, kind)

    for name, kind in types.items():
        add(name, identifier(name), kind)
    return found


def _select(columns: Mapping[str, tuple[str, DuckDBPyType]]) -> str:
    return ", ".join(f"{sql} AS {identifier(name)}" for name, (sql, _) in columns.items())


def _refuse_missing(
    name: str, columns: Mapping[str, tuple[str, DuckDBPyType]], given: Sequence[str], now: Sequence[str]
) -> None:
    lists = [each for each, (_, kind) in columns.items() if kind.id in {"list", "array"}]
    wrong = [each for each in now if each not in lists] or (list(given) if not now else [])
    if wrong:
        there = f"it has: {', '.join(lists)}" if lists else "no column of it does"
        raise UnreadableFile(f"{name} has no column {wrong[0]!r} that holds lists (--unnest); {there}")


def _unnested(source: str, columns: Sequence[str], lists: Sequence[str], *, inner: bool) -> str:
    """SQL with a row for each element; lists that are named together go side by side, the shorter filled with NULL."""
    longest = f"greatest({', '.join(f'coalesce(len({identifier(each)}), 0)' for each in lists)}, 0)"
    selected = [
        f"unnest(CASE WHEN {longest} > 0 THEN {identifier(each)} ELSE [NULL] END) AS {identifier(each)}"
        if each in lists
        else identifier(each)
        for each in columns
    ]
    index = f"unnest(range(greatest({longest}, 1)))"
    return (
        f"(SELECT * EXCLUDE (alsobought_index) REPLACE ({element('alsobought_index', inner=inner)} AS {LINE}) FROM "
        f"(SELECT {', '.join(selected)}, {LINE}, {index} AS alsobought_index FROM {source}))"
    )
