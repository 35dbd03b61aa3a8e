"""The lines of a file, each accounted for: read, left out, header, blank.

Promise: `checked` raises when a line is missing from the account or stands in it twice, so that none can be lost in
silence.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

EXAMPLES = 3  # lines shown for each reason
_SHOWN_CHARACTERS = 400


class LinesLost(Exception):
    """Raised when lines of a file are not accounted for: a fault of ours, nothing has been sent."""


class RejectedLine(NamedTuple):
    """A line that fits no table."""

    line: int  # of the file, from 1
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class FileLines:
    """How many lines there are, and what became of them."""

    total: int
    read: int
    left_out: int
    other: int = 0  # header, blank lines, and what --skip-lines passed over

    def checked(self, name: str) -> "FileLines":
        """Return itself. Raises LinesLost."""
        if self.read + self.left_out + self.other != self.total:
            raise LinesLost(
                f"{name} has {self.total:,} lines, but {self.read:,} were read, {self.left_out:,} left out and "
                f"{self.other:,} are header or blank: that does not add up. Nothing was sent; please report it"
            )
        return self

    def __add__(self, more: "FileLines") -> "FileLines":
        return FileLines(
            self.total + more.total, self.read + more.read, self.left_out + more.left_out, self.other + more.other
        )


def _numbers() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class LineAccount:
    """Which rows of a table come from which lines of a file; rows count from 1."""

    total: int = 0
    header: int = 0  # the line where the header ends; 0: there is none
    other: int = 0
    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # lines by reason
    examples: list[RejectedLine] = field(default_factory=list)  # the first few of each reason
    long_rows: "array[int]" = field(default_factory=_numbers)  # rows that take more than a line
    long_lines: "array[int]" = field(default_factory=_numbers)  # how many lines those take
    undecodable: "array[int]" = field(default_factory=_numbers)  # rows with bytes that are no text
    _rows_from: "array[int]" = field(default_factory=_numbers)
    _lines_from: "array[int]" = field(default_factory=_numbers)

    def add(self, rows: int, line: int, lines: int = 1) -> None:
        """Note rows that begin at `line`, one a line, or one row of several lines."""
        if not self._rows_from or self._lines_from[-1] + self.rows + 1 - self._rows_from[-1] != line:
            self._rows_from.append(self.rows + 1)
            self._lines_from.append(line)
        self.rows += rows
        if lines > 1:
            self.long_rows.append(self.rows)
            self.long_lines.append(lines)

    def reject(self, line: int, reason: str, text: str, lines: int = 1) -> None:
        """Note lines that are no row."""
        self.rejected[reason] += lines
        if sum(example.reason == reason for example in self.examples) < EXAMPLES:
            self.examples.append(RejectedLine(line, reason, text[:_SHOWN_CHARACTERS]))

    def line_of(self, row: int) -> int:
        """The line at which a row begins."""
        at = bisect_right(self._rows_from, row) - 1
        return self._lines_from[at] + row - self._rows_from[at] if at >= 0 else row
