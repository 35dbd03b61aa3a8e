"""Lines of imported files that cannot be used: counted by reason, the first few shown with what stands in them.

In: DuckDB's table `staged` (row, reason, content) and the account of the files' lines. Promise: lines read and lines
left out are together the lines of the files; if they are not, nothing is sent.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import duckdb
import numpy as np

from consumers.file_import.file_lines import EXAMPLES, FileLines
from consumers.file_import.tables import TableFile

# A row of several lines counts as those, in whatever is counted.
_LINES = "CREATE OR REPLACE TEMP TABLE long_rows AS SELECT unnest(?) AS row, unnest(?) AS more"
_LEFT_OUT = """SELECT reason, (count(*) + coalesce(sum(more), 0))::BIGINT FROM staged LEFT JOIN long_rows USING (row)
WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC, reason"""
_ACCOUNT = """SELECT coalesce(sum(lines) FILTER (used), 0)::BIGINT, coalesce(sum(lines) FILTER (NOT used), 0)::BIGINT
FROM (SELECT line, bool_or(reason IS NULL) AS used, 1 + coalesce(any_value(more), 0) AS lines
 FROM (SELECT row // {elements} AS line, reason FROM staged)
 LEFT JOIN long_rows ON long_rows.row = line GROUP BY line)"""
_SHOWN = "SELECT row, content FROM staged WHERE reason = ? ORDER BY row LIMIT ?"
_UNDECODABLE = """UPDATE staged SET reason = ?, content = (SELECT {content} FROM {source} AS alsobought_row
 WHERE {row} = staged.row LIMIT 1) WHERE reason IS NULL AND row // {elements} IN (SELECT unnest(?)) AND ({texts})"""
_TEXTS = """SELECT column_name FROM duckdb_columns() WHERE table_name = 'staged' AND data_type = 'VARCHAR'
AND column_name NOT IN ('reason', 'basket', 'price_unread')"""


class LeftOutRow(NamedTuple):
    """A row that cannot be used, to be shown."""

    reason: str
    row: int  # counted from 1, without the header; of text, a row is a line
    content: dict[str, str | None]  # what stands in it, by column
    file: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The lines of files that cannot be used; a row of a Parquet file or of a sheet is a line."""

    rows: dict[str, int]  # how many lines by reason, most first
    examples: tuple[LeftOutRow, ...]  # the first few of each reason
    lines: FileLines = field(default_factory=lambda: FileLines(0, 0, 0))  # all lines of the files

    @property
    def total(self) -> int:
        """How many there are in all."""
        return sum(self.rows.values())


def leave_out_undecodable(connection: duckdb.DuckDBPyConnection, table: TableFile) -> None:
    """Give a reason to rows of `staged` that have bytes which are no text in a column that was asked for."""
    texts = " OR ".join(f"contains({name}, '\ufffd')" for (name,) in connection.execute(_TEXTS).fetchall())
    before = 0
    for part in table.parts:
        if part.account.undecodable:
            rows = np.frombuffer(part.account.undecodable, np.int64) + before
            sql = _UNDECODABLE.format(
                content=table.content(), source=table.source, row=table.row, texts=texts, elements=table.rows_a_line
            )
            reason = f"not in {part.encoding}, perhaps in {part.likely} (--encoding {part.likely})"
            connection.execute(sql, [reason, rows.tolist()])
        before += part.account.rows


def rows_left_out(connection: duckdb.DuckDBPyConnection, table: TableFile) -> LeftOut:
    """Count and show the rows of table `staged` that have a reason, and the lines that fit no table.

    Raises LinesLost when a line of the files is neither read nor left out.
    """
    _note_long_rows(connection, table)
    counts = Counter(dict(connection.execute(_LEFT_OUT).fetchall()))
    examples = [
        _example(table, reason, row, content)
        for reason in counts
        for row, content in connection.execute(_SHOWN, [reason, EXAMPLES]).fetchall()
    ]
    several = len(table.parts) > 1
    for part in table.parts:
        counts.update(part.account.rejected)
        examples += [
            LeftOutRow(each.reason, each.line - part.account.header, {"line": each.text}, part.name * several)
            for each in part.account.examples
        ]
    return LeftOut(dict(counts.most_common()), tuple(examples), _account(connection, table))


def unfit_id(column: str, longest: int) -> str:
    """SQL that is true for an id the service does not take: too long, or with control characters."""
    return f"(length({column}) > {longest} OR regexp_matches({column}, '[\\p{{Cc}}\\x{{2028}}\\x{{2029}}]'))"


def _note_long_rows(connection: duckdb.DuckDBPyConnection, table: TableFile) -> None:
    rows, more = array("q"), array("q")
    before = 0
    for part in table.parts:
        rows.extend(row + before for row in part.account.long_rows)
        more.extend(lines - 1 for lines in part.account.long_lines)
        before += part.account.rows
    connection.execute(_LINES, [rows.tolist(), more.tolist()])


def _account(connection: duckdb.DuckDBPyConnection, table: TableFile) -> FileLines:
    found = connection.execute(_ACCOUNT.format(elements=table.rows_a_line)).fetchone()
    assert found is not None
    accounts = [part.account for part in table.parts]
    return FileLines(
        total=sum(account.total for account in accounts),
        read=found[0],
        left_out=found[1] + sum(account.rejected.total() for account in accounts),
        other=sum(account.other for account in accounts),
    ).checked(table.path)


def _example(table: TableFile, reason: str, row: int, content: list[str | None]) -> LeftOutRow:
    row //= table.rows_a_line
    starts = list(accumulate((part.account.rows for part in table.parts), initial=0))
    at = next(at for at, end in enumerate(starts[1:]) if row <= end)
    part = table.parts[at]
    line = part.account.line_of(row - starts[at]) - part.account.header
    shown = dict(zip(table.shown, content, strict=False))
    return LeftOutRow(reason, line, shown, part.name if len(table.parts) > 1 else "")
