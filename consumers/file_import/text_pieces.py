"""Bytes of a file as text in pieces, whatever encoding it is in.

In: an open stream, the encoding that was named or none. Out: text with line feeds only. Promise: a byte order mark
decides by itself; a byte that is no text becomes a lone surrogate, so that its line can be found again.
"""

import codecs
from collections.abc import Callable, Iterator

from consumers.file_import.inputs import Opened, UnreadableFile, reading

_BLOCK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_USUAL = "utf-8"


class TextPieces:
    """Iterates over a stream's text; afterwards says which encoding that was, and what undecodable bytes suggest."""

    def __init__(self, opened: Opened, encoding: str | None, progress: Callable[[str, float], None] | None) -> None:
        mark = next(((mark, name) for mark, name in _MARKS if opened.start.startswith(mark)), None)
        self.encoding = mark[1] if mark else _known(encoding or _USUAL)
        self._opened, self._progress = opened, progress
        self._mark = len(mark[0]) if mark else 0
        if mark is None and encoding is None and (likely := _without_mark(opened.start)):
            raise UnreadableFile(
                f"{opened.name} is not in {_USUAL}, it looks like {likely} without a byte order mark: "
                f"give --encoding {likely}"
            )

    @property
    def likely(self) -> str:
        """The encoding that a file with bytes that are no text in its own is most probably in."""
        if self.encoding != _USUAL:
            return _USUAL
        return "windows-1252"

    def __iter__(self) -> Iterator[str]:
        with reading(self._opened.name):
            yield from _unified(self._decoded())

    def _decoded(self) -> Iterator[str]:
        errors = (
            "replace" if self.encoding.startswith("utf-16") or self.encoding.startswith("utf-32") else "surrogateescape"
        )
        decoder = codecs.getincrementaldecoder(self.encoding)(errors)
        stream, done = self._opened.stream, self._mark
        stream.read(self._mark)
        size = self._opened.path.stat().st_size if self._opened.path else 0
        while block := stream.read(_BLOCK):
            yield decoder.decode(block)
            done += len(block)
            if self._progress and size:
                self._progress("checking", min(done / size, 1.0))
        yield decoder.decode(b"", final=True)


def _unified(pieces: Iterator[str]) -> Iterator[str]:
    """The text with line feeds for line ends; a lone carriage return is one if there is nothing else."""
    old_mac: bool | None = None
    held = ""
    for piece in pieces:
        text = held + piece
        held = "\r" if text.endswith("\r") else ""
        text = text.removesuffix("\r")
        if old_mac is None and ("\n" in text or "\r" in text):
            old_mac = "\n" not in text
        if text:
            yield text.replace("\r\n", "\n") if not old_mac else text.replace("\r", "\n")
    if held:
        yield "\n"


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise UnreadableFile(
            f"there is no encoding {encoding!r}; give --encoding utf-8, utf-16, windows-1252, latin-1 or another that "
            "Python knows"
        ) from None


def _without_mark(start: bytes) -> str | None:
    """UTF-16 shows by a zero in every other byte of plain letters."""
    start = start[: len(start) // 2 * 2]
    zeros = [start[at::2].count(0) for at in (0, 1)]
    half = len(start) // 2
    if not half or max(zeros) < 0.4 * half or min(zeros) > 0.1 * half:
        return None
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
