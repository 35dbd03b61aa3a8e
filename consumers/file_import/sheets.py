"""Spreadsheets (.xlsx, .xls, .ods): the rows of a sheet as a clean CSV.

In: a stream and a sheet's name, or none for the first one that holds something. Out: the columns, the account of the
rows. Promise: whole numbers come without a point, dates and times as ISO 8601; a row is a line.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from consumers.file_import.csv_lines import CleanCsv, distinct
from consumers.file_import.csv_records import Fields
from consumers.file_import.file_lines import LineAccount
from consumers.file_import.inputs import UnreadableFile


def clean_sheet(
    stream: BinaryIO, name: str, out: BinaryIO, *, sheet: str | None = None, skip: int = 0
) -> tuple[CleanCsv | None, str]:
    """Write the rows to `out`; also what to say of the sheet. Raises UnreadableFile."""
    try:
        book = CalamineWorkbook.from_filelike(stream)
        chosen, said = _chosen(book, name, sheet)
        rows = [] if chosen is None else chosen.to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError) as error:
        raise UnreadableFile(
            f"{name} is neither CSV nor Parquet: it begins like a spreadsheet, but cannot be read as one. "
            "Open it in a spreadsheet program and save it as CSV (UTF-8)"
        ) from error
    return _written(rows, out, skip), said


def _chosen(book: CalamineWorkbook, name: str, sheet: str | None) -> tuple[CalamineSheet | None, str]:
    names = book.sheet_names
    if sheet is not None:
        if sheet not in names:
            raise UnreadableFile(f"{name} has no sheet {sheet!r}; it has: {', '.join(names)}. Name one with --sheet")
        return book.get_sheet_by_name(sheet), ""
    filled = [each for each in names if book.get_sheet_by_name(each).height]
    if not filled:
        return None, ""
    others = f"; {', '.join(filled[1:])} left alone (--sheet names another)" if len(filled) > 1 else ""
    return book.get_sheet_by_name(filled[0]), f"sheet {filled[0]}{others}" if others else ""


def _written(rows: list[list[Any]], out: BinaryIO, skip: int) -> CleanCsv | None:
    account = LineAccount(total=len(rows))
    fields = Fields(",")
    start = next((at for at in range(skip, len(rows)) if _filled(rows[at])), None)
    if start is None:
        return None
    header = [_text(cell) for cell in rows[start]]
    while header and not header[-1]:
        header.pop()
    account.header = account.other = start + 1
    longest = 0
    for line, row in enumerate(rows[start + 1 :], start + 2):
        if not _filled(row):
            account.other += 1
            continue
        texts = [_text(cell) for cell in row]
        if any(texts[len(header) :]):
            account.reject(line, "line has too many columns", ",".join(texts))
            continue
        account.add(1, line)
        record = fields.written(texts[: len(header)]).encode()
        longest = max(longest, len(record))
        out.write(record)
    return CleanCsv(distinct(header), ",", account, longest)


def _filled(row: Iterable[Any]) -> bool:
    return any(cell not in ("", None) for cell in row)


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)  # noqa: PLR2004 - exact below
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return "" if cell is None else str(cell)
