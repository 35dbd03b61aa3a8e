"""A CSV as people really have them, made into one that leaves no doubt: every line a record, or left out with a reason.

In: text in pieces, what separates columns. Out: a clean CSV in UTF-8 without a header, and the account of the lines.
Promise: a stray quotation mark costs at most its own line; real line breaks within quotation marks are kept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from consumers.file_import.csv_records import Fields, OpenQuote, Quoting, Shape, fitted
from consumers.file_import.file_lines import LineAccount

DELIMITERS = ",;\t|"
TOO_FEW, TOO_MANY = "line has too few columns", "line has too many columns"
_LONGEST_RECORD = 1 << 20  # characters; a quotation mark that is open for longer was never meant to be
_LONGEST_HEADER = 20  # lines
_ENOUGH = 20  # lines that look like records: no prose goes on like that
_PIECE = 1 << 20
UNDECODABLE = re.compile("[\ud800-\udfff]")  # bytes that are no text come as lone surrogates


@dataclass(slots=True)
class CleanCsv:
    """What a CSV holds: its columns, in the clean file, and the account of its lines."""

    columns: list[str]
    delimiter: str
    account: LineAccount
    longest: int  # characters that the longest line may have


class TextBuffer:
    """Text that comes in pieces, looked at line by line or as a whole; lines end with a line feed."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.text = ""
        self.at = 0
        self.line = 1  # the number of the line at `at`
        self.longest = _PIECE
        self._pieces = pieces

    def more(self) -> bool:
        """Take another piece; False at the end, where the last line gets its line feed."""
        piece = next(self._pieces, "")
        if piece:
            self.text, self.at = self.text[self.at :] + piece, 0
            self.longest = max(self.longest, len(self.text))
            return True
        if self.text and not self.text.endswith("\n"):
            self.text += "\n"
            return True
        return False

    def next_line(self, ahead: int = 0) -> str | None:
        """The line that begins so many characters after `at`, without its end; None when there is none."""
        while (end := self.text.find("\n", self.at + ahead)) < 0:
            if not self.more():
                return None
        return self.text[self.at + ahead : end]

    def take(self, characters: int, lines: int) -> None:
        """Go on behind these."""
        self.at += characters
        self.line += lines


def clean_csv(pieces: Iterator[str], out: BinaryIO, *, delimiter: str | None = None, skip: int = 0) -> CleanCsv | None:
    """Write the records to `out`; None when there is not even a header. `skip`: lines before the header."""
    text = TextBuffer(pieces)
    said = _preamble(text, skip)
    header = _header(text, delimiter or said)
    if header is None:
        return None
    fields, columns = header
    account = LineAccount(header=text.line - 1, other=text.line - 1)
    _Cleaning(text=text, out=out, fields=fields, columns=len(columns), account=account).run()
    account.total = text.line - 1
    return CleanCsv(columns, fields.delimiter, account, text.longest)


def likely_delimiter(header: str) -> str:
    """What most probably separates the columns."""
    return max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)


def _preamble(text: TextBuffer, skip: int) -> str | None:
    """Pass over lines that are neither header nor record; what a line `sep=;` says."""
    for _ in range(skip):
        if (line := text.next_line()) is None:
            return None
        text.take(len(line) + 1, 1)
    while (line := text.next_line()) is not None and not line.strip():
        text.take(len(line) + 1, 1)
    if line is None or not (said := re.fullmatch(r'"?sep=(.)"?\s*', line.removeprefix("\ufeff"), re.IGNORECASE)):
        return None
    text.take(len(line) + 1, 1)
    return said[1]


def _header(text: TextBuffer, delimiter: str | None) -> tuple[Fields, list[str]] | None:
    line = text.next_line()
    if line is None:
        return None
    fields = Fields(delimiter or likely_delimiter(line))
    whole, lines, end = line, 1, len(line) + 1
    while lines < _LONGEST_HEADER:
        try:
            names = fields.read(whole, Quoting.DOUBLED)
        except OpenQuote:
            following = text.next_line(end)
            if following is None:
                break
            whole, lines, end = f"{whole}\n{following}", lines + 1, end + len(following) + 1
            continue
        text.take(end, lines)
        return fields, distinct(names or fields.literally(line))
    text.take(len(line) + 1, 1)
    return fields, distinct(fields.literally(line))


def distinct(names: list[str]) -> list[str]:
    """The names of the columns, each a name of its own whatever the capitals."""
    taken: set[str] = set()
    own_names = []
    for at, name in enumerate(names, 1):
        own = plain = " ".join(name.removeprefix("\ufeff").split()) or f"column {at}"
        number = 1
        while own.casefold() in taken:
            number += 1
            own = f"{plain} {number}"
        taken.add(own.casefold())
        own_names.append(own)
    return own_names


class _Cleaning:
    """One file on its way through; lines about which there is no doubt go in one piece."""

    def __init__(self, text: TextBuffer, out: BinaryIO, fields: Fields, columns: int, account: LineAccount) -> None:
        self._text, self._out, self._fields, self._columns, self._account = text, out, fields, columns, account
        self._shape: Shape | None = None
        self._searched, self._backslashes = "", False
        self._whole = fields.whole_lines(columns) if columns > 1 else None

    def run(self) -> None:
        text = self._text
        while True:
            if self._whole and (end := self._whole.match(text.text, text.at).end()) > text.at:  # type: ignore[union-attr]
                self._pass_on(text.text[text.at : end])
            before = text.text
            line = text.next_line()
            if line is None:
                return
            if text.text is not before:
                continue  # more has come: once more in one piece
            if line.strip():
                self._odd(line)
            else:
                self._account.other += 1
                text.take(len(line) + 1, 1)

    def _pass_on(self, lines: str) -> None:
        count = lines.count("\n")
        self._account.add(count, self._text.line)
        self._write(lines, count)
        self._text.take(len(lines), count)

    def _odd(self, line: str) -> None:
        """A line with quotation marks that need a thought, or with too many or too few columns."""
        number = self._text.line
        fields, characters, lines = self._understood(line)
        self._text.take(characters, lines)
        record = fitted(fields, self._columns)
        if record is None:
            self._account.reject(number, TOO_FEW if len(fields) < self._columns else TOO_MANY, line, lines)
            return
        self._account.add(1, number, lines)
        self._write(self._fields.written(record), 1)

    def _understood(self, line: str) -> tuple[list[str], int, int]:
        """The fields of the record that begins here, its characters and its lines."""
        alone = len(line) + 1
        if '"' not in line:
            return self._fields.literally(line), alone, 1
        for style in Quoting if self._has_backslashes() else (Quoting.DOUBLED,):
            try:
                fields = self._fields.read(line, style)
            except OpenQuote:
                if found := self._several_lines(line, style):
                    return found
            else:
                if fields and fitted(fields, self._columns):
                    return fields, alone, 1
        for fields in self._fields.read_leniently(line, self._columns):
            if fitted(fields, self._columns):
                return fields, alone, 1
        return self._first_reading(line), alone, 1

    def _has_backslashes(self) -> bool:
        """Whether backslashes stand before quotation marks in what is at hand."""
        if self._searched is not self._text.text:
            self._searched = self._text.text
            self._backslashes = '\\"' in self._searched
        return self._backslashes

    def _first_reading(self, line: str) -> list[str]:
        try:
            return self._fields.read(line, Quoting.DOUBLED) or self._fields.literally(line)
        except OpenQuote:
            return self._fields.literally(line)

    def _several_lines(self, line: str, style: Quoting) -> tuple[list[str], int, int] | None:
        """The record that goes on within quotation marks; None when the mark was a stray one."""
        lines, end = [line], len(line) + 1
        alike = 0
        while end < _LONGEST_RECORD:
            following = self._text.next_line(end)
            if following is None:
                return None
            lines.append(following)
            end += len(following) + 1
            alike += self._resembles(following)
            if alike >= _ENOUGH and 2 * alike >= len(lines) - 1:
                return None
            if following.count('"') % 2 == 0 and style is Quoting.DOUBLED:
                continue  # none, or doubled ones: it goes on
            try:
                fields = self._fields.read("\n".join(lines), style)
            except OpenQuote:
                continue
            if not fields or not fitted(fields, self._columns) or self._is_stray(lines, alike):
                return None
            return fields, end, len(lines)
        return None

    def _is_stray(self, lines: list[str], alike: int) -> bool:
        """Whether lines said to be one record are records each: then its quotation marks are stray."""
        if len(self._fields.literally(lines[0])) != self._columns:
            # The first line is no record by itself; the last one, which ends one, may well look like one.
            alike -= self._resembles(lines[-1])
            return alike > 0 and 2 * alike >= len(lines) - 2
        return alike > (self._columns == 2) and 2 * alike >= len(lines) - 1  # noqa: PLR2004 - one comma is soon written

    def _resembles(self, line: str) -> bool:
        if self._shape is None:
            ahead = self._text.text[self._text.at : self._text.at + _PIECE].split("\n")
            self._shape = Shape(self._fields, self._columns, ahead)
        return self._shape.resembles(line)

    def _write(self, records: str, count: int) -> None:
        try:
            self._out.write(records.encode())
        except UnicodeEncodeError:
            first = self._account.rows - count + 1
            for at, record in enumerate(records.split("\n")[:count] if count > 1 else [records]):
                if UNDECODABLE.search(record):
                    self._account.undecodable.append(first + at)
            self._out.write(UNDECODABLE.sub("\ufffd", records).encode())
