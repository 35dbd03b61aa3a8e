"""One record of a CSV: which fields a line holds, however its quotation marks were meant.

In: a line (or lines) and how many columns there are. Out: fields. Promise: pure; a quotation mark that opens nothing,
or closes nothing, is a character like any other as soon as that reading has the right number of columns.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from functools import cache

_LEARNT_LINES = 200
_USUAL = 0.9  # of the lines seen
_KNOWN = 1_000
_MOST_PIECES = 100  # of a line whose quotation marks are puzzled over
_FEATURES = (
    re.compile(r"\d"),  # has a digit
    re.compile(r"\s"),  # has a blank
    re.compile(r"^\s"),  # begins with one
)


class Quoting(Enum):
    """How a quotation mark within quotation marks is written."""

    DOUBLED = auto()  # "3"" nail"
    BACKSLASH = auto()  # "3\" nail"


class OpenQuote(Exception):
    """Raised when the text ends within quotation marks: the record may go on in the next line."""


class Fields:
    """Reads the fields of records that are separated by `delimiter`."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        bare = rf"[^{re.escape(delimiter)}\r\n\0]" if len(delimiter) == 1 else rf"(?!{re.escape(delimiter)})[^\r\n\0]"
        self.unquoted = f'(?:(?!"){bare}(?:{bare})*+)?+'
        end = rf"(?={re.escape(delimiter)}|\Z)"
        inner = {Quoting.DOUBLED: r'[^"]*+(?:""[^"]*+)*+', Quoting.BACKSLASH: r'[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*+'}
        self._quoted = {style: re.compile(f'"({body})"{end}', re.DOTALL) for style, body in inner.items()}
        self._open = {style: re.compile(rf'"{body}\\?\Z', re.DOTALL) for style, body in inner.items()}

    def whole_lines(self, columns: int) -> re.Pattern[str]:
        """A pattern for as many lines as can be, each a record of so many columns about which there is no doubt."""
        field = rf'(?:"[^"\r\n\0]*+(?:""[^"\r\n\0]*+)*+"|{self.unquoted})'
        return re.compile(rf"(?:{field}(?:{re.escape(self.delimiter)}{field}){{{columns - 1}}}\n)*+")

    def read(self, text: str, style: Quoting) -> list[str] | None:
        """The fields, None if quotation marks stand where they should not. Raises OpenQuote."""
        fields, at = [], 0
        while True:
            if text.startswith('"', at):
                found = self._quoted[style].match(text, at)
                if found is None:
                    if self._open[style].match(text, at):
                        raise OpenQuote
                    return None
                fields.append(_unescaped(found[1], style))
                at = found.end()
            else:
                end = text.find(self.delimiter, at)
                end = len(text) if end < 0 else end
                fields.append(text[at:end])
                at = end
            if at >= len(text):
                return fields
            at += len(self.delimiter)

    def read_leniently(self, line: str, columns: int) -> Iterator[list[str]]:
        """Other readings of a line, the likelier first: inner quotes bare, blanks before a quote, none that quotes."""
        for text in (line, re.sub(rf'({re.escape(self.delimiter)}|^) +(?=")', r"\1", line)):
            if (fields := self._read_bare(text, columns)) is not None:
                yield fields
        yield self.literally(line)

    def literally(self, line: str) -> list[str]:
        """The fields when no quotation mark means anything."""
        return line.split(self.delimiter)

    def written(self, fields: Sequence[str]) -> str:
        """A record about which there is no doubt."""
        return self.delimiter.join('"' + field.replace('"', '""') + '"' for field in fields) + "\n"

    def _read_bare(self, text: str, columns: int) -> list[str] | None:
        """The one reading with so many columns where a quote closes before a delimiter; None if there are several."""
        pieces = self.literally(text)
        if len(pieces) > _MOST_PIECES:
            return None

        @cache
        def readings(at: int, left: int) -> tuple[int, tuple[int, ...]]:
            """How many there are of the pieces from `at` on as `left` fields (2: several), and where fields end."""
            if at == len(pieces) or left == 0:
                return int(at == len(pieces) and left == 0), ()
            ends = [at + 1]
            if pieces[at].startswith('"'):
                ends = [end + 1 for end in range(at, len(pieces)) if _closes(pieces[end], alone=end == at)]
            found = 0
            first: tuple[int, ...] = ()
            for end in ends:
                more, rest = readings(end, left - 1)
                if more and not found:
                    first = (end, *rest)
                found = min(found + more, 2)
            return found, first

        found, ends = readings(0, columns)
        if found != 1:
            return None
        starts = (0, *ends[:-1])
        return [_bare(self.delimiter.join(pieces[start:end])) for start, end in zip(starts, ends, strict=True)]


def fitted(fields: list[str], columns: int) -> list[str] | None:
    """The fields if they are as many as the columns; delimiters at the end of a line may be too many."""
    if len(fields) < columns or any(field.strip() for field in fields[columns:]):
        return None
    return fields[:columns]


class Shape:
    """What the lines of a file look like, to tell a record from a line of somebody's prose."""

    def __init__(self, fields: Fields, columns: int, lines: Iterable[str]) -> None:
        self._fields, self._columns = fields, columns
        self._known: dict[str, bool] = {}  # lines are looked at again when quotation marks stand close together
        self._usual: list[list[bool | None]] = [[None] * len(_FEATURES) for _ in range(columns)]
        rows = [row for line in lines if '"' not in line and len(row := fields.literally(line)) == columns]
        rows = rows[:_LEARNT_LINES]
        for column in range(columns if rows else 0):
            for at, feature in enumerate(_FEATURES):
                share = sum(bool(feature.search(row[column])) for row in rows) / len(rows)
                self._usual[column][at] = True if share >= _USUAL else False if share <= 1 - _USUAL else None

    def resembles(self, line: str) -> bool:
        """Whether a line, taken literally, looks like the file's records."""
        if (known := self._known.get(line)) is None:
            if len(self._known) > _KNOWN:
                self._known.clear()
            known = self._known[line] = self._resembles(line)
        return known

    def _resembles(self, line: str) -> bool:
        row = self._fields.literally(line)
        if len(row) != self._columns or self._columns == 1:
            return False
        unlike = sum(
            usual is not None and usual != bool(feature.search(text))
            for text, features in zip(row, self._usual, strict=True)
            for feature, usual in zip(_FEATURES, features, strict=True)
        )
        return unlike <= self._columns // 3


def _closes(piece: str, *, alone: bool) -> bool:
    return piece.endswith('"') and (len(piece) > 1 or not alone)


def _bare(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field


def _unescaped(text: str, style: Quoting) -> str:
    if style is Quoting.BACKSLASH:
        text = re.sub(r'\\(["\\])', r"\1", text)
    return text.replace('""', '"')
