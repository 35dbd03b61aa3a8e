"""JSON lines (or one JSON array of objects): which columns the objects have, and the lines that are no object.

In: text in pieces. Out: the good lines in a file of their own, their columns as DuckDB types, the account of the lines.
Promise: a line that is no JSON object is left out and counted; every number and text comes as text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec

from consumers.file_import.csv_lines import UNDECODABLE, TextBuffer
from consumers.file_import.file_lines import LineAccount

NO_OBJECT = "line is not a JSON object"
_DEEPEST = 6  # what lies deeper stays JSON text

JsonKind = (
    dict[str, Any] | list[Any] | str | None
)  # of an object, of a list ([kind]), of text or of other JSON, of null


@dataclass(slots=True)
class CleanJson:
    """What the lines hold."""

    columns: dict[str, str]  # DuckDB's type by column
    account: LineAccount
    longest: int  # bytes


def clean_json(pieces: Iterator[str], out: BinaryIO) -> CleanJson:
    """Write the objects to `out`, one a line."""
    text = TextBuffer(pieces)
    account = LineAccount()
    while (line := text.next_line()) is not None and not line.strip():
        account.other += 1
        text.take(len(line) + 1, 1)
    if line is not None and line.lstrip().startswith("["):
        return _array(text, out, account)
    kind: JsonKind = {}
    while (line := text.next_line()) is not None:
        kind = _line(line, text.line, kind, out, account)
        text.take(len(line) + 1, 1)
    account.total = text.line - 1
    return CleanJson(_columns(kind), account, text.longest * 4)


def _line(line: str, number: int, kind: JsonKind, out: BinaryIO, account: LineAccount) -> JsonKind:
    if not line.strip():
        account.other += 1
        return kind
    decodable = UNDECODABLE.sub("\ufffd", line)
    found = _decoded(decodable)
    if found is None:
        decodable = _mended(decodable)
        found = _decoded(decodable)
    if not isinstance(found, dict):
        account.reject(number, NO_OBJECT, decodable)
        return kind
    account.add(1, number)
    if decodable != line:
        account.undecodable.append(account.rows)
    out.write(decodable.encode() + b"\n")
    return _merged(kind, _kind(found))


def _decoded(line: str) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None


def _mended(line: str) -> str:
    """The line without what other writers let pass: NaN, and half of a character in an escape."""
    try:
        found = json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return line
    return UNDECODABLE.sub("\ufffd", json.dumps(found, ensure_ascii=False))


def _array(text: TextBuffer, out: BinaryIO, account: LineAccount) -> CleanJson:
    """The elements of one array; each counts as a line."""
    while text.more():
        pass
    account = LineAccount()
    whole = UNDECODABLE.sub("\ufffd", text.text[text.at :])
    try:
        elements = msgspec.json.decode(whole, type=list[msgspec.Raw])
    except msgspec.DecodeError:
        elements = []
        account.reject(1, "file is not a JSON array", whole)
    kind: JsonKind = {}
    longest = 0
    for at, element in enumerate(elements, 1):
        one = msgspec.json.format(bytes(element), indent=-1).decode()
        longest = max(longest, len(one))
        kind = _line(one, at, kind, out, account)
    account.total = max(len(elements), account.rejected.total())
    return CleanJson(_columns(kind), account, longest * 4)


def _kind(value: Any, depth: int = 0) -> JsonKind:
    if value is None:
        return None
    if isinstance(value, dict) and value and depth < _DEEPEST:
        return {name: _kind(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list) and depth < _DEEPEST:
        inner: JsonKind = None
        for each in value:
            inner = _merged(inner, _kind(each, depth + 1))
        return [inner]
    return "JSON" if isinstance(value, (dict, list)) else "VARCHAR"


def _merged(one: JsonKind, other: JsonKind) -> JsonKind:
    """What holds both."""
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: _merged(one.get(name), other.get(name)) for name in one | other}
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    return "JSON"


def _columns(kind: JsonKind) -> dict[str, str]:
    assert isinstance(kind, dict)
    columns: dict[str, str] = {}
    for name, inner in kind.items():
        if name.casefold() not in {column.casefold() for column in columns}:
            columns[name] = _type(inner)
    return columns


def _type(kind: JsonKind) -> str:
    if isinstance(kind, dict):
        distinct: dict[str, str] = {}
        for name, inner in kind.items():
            distinct.setdefault(name.casefold(), '"' + name.replace('"', '""') + '" ' + _type(inner))
        return f"STRUCT({', '.join(distinct.values())})"
    if isinstance(kind, list):
        return f"{_type(kind[0])}[]"
    return kind or "VARCHAR"
