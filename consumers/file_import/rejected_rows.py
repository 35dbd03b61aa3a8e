"""Rows of an imported file that cannot be used: counted by reason, the first few shown with what stands in them.

In: DuckDB's table `staged` (row, reason, content) and its table of CSV lines that fit no table. Promise: no row is
dropped without being counted here.
"""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import duckdb

from consumers.file_import.tables import TableFile

_EXAMPLES = 3  # rows shown for each reason
_LEFT_OUT = (
    "SELECT reason, count(*) FROM staged WHERE reason IS NOT NULL GROUP BY reason ORDER BY count(*) DESC, reason"
)
_SHOWN = "SELECT row, content FROM staged WHERE reason = ? ORDER BY row LIMIT ?"
_REJECTS = "SELECT line, min(error_type), any_value(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
_REJECTED = {
    "INVALID ENCODING": "line is not in the encoding that was named (--encoding)",
    "MISSING COLUMNS": "line has too few columns",
    "TOO MANY COLUMNS": "line has too many columns",
}


class LeftOutRow(NamedTuple):
    """A row that cannot be used, to be shown."""

    reason: str
    row: int  # counted from 1, without the header
    content: dict[str, str | None]  # what stands in it, by column


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The rows of a file that cannot be used."""

    rows: dict[str, int]  # how many by reason, most first
    examples: tuple[LeftOutRow, ...]  # the first few of each reason

    @property
    def total(self) -> int:
        """How many there are in all."""
        return sum(self.rows.values())


def rows_left_out(connection: duckdb.DuckDBPyConnection, table: TableFile) -> LeftOut:
    """Count and show the rows of table `staged` that have a reason, and the CSV lines that fit no table."""
    counts = Counter(dict(connection.execute(_LEFT_OUT).fetchall()))
    examples = [
        LeftOutRow(reason, row, dict(zip(table.types, content, strict=False)))
        for reason in counts
        for row, content in connection.execute(_SHOWN, [reason, _EXAMPLES]).fetchall()
    ]
    for line, kind, text in _rejected(connection):
        reason = _REJECTED.get(kind, "line does not fit the columns")
        counts[reason] += 1
        if counts[reason] <= _EXAMPLES:
            examples.append(LeftOutRow(reason, line - 1, {"line": text}))
    return LeftOut(dict(counts.most_common()), tuple(examples))


def unfit_id(column: str, longest: int) -> str:
    """SQL that is true for an id the service does not take: too long, or with control characters."""
    return f"(length({column}) > {longest} OR regexp_matches({column}, '[\\p{{Cc}}\\x{{2028}}\\x{{2029}}]'))"


def _rejected(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, str, str]]:
    """Number, kind of fault and text of CSV lines, none for Parquet: there the table of rejects does not exist."""
    there = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall()
    return connection.execute(_REJECTS).fetchall() if there else []
