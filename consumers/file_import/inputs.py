"""The ways into an import: files, patterns, folders, archives, standard input and pipes, as inputs that can be opened.

In: what the user named. Out: inputs with a name to call them by. Promise: nothing that was named is passed over in
silence, and nothing is read before it is asked for.
"""

import bz2
import glob
import gzip
import io
import lzma
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STANDARD_INPUT = "-"
SNIFF_BYTES = 65_536
_PACKED: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda stream: cast("BinaryIO", gzip.GzipFile(fileobj=stream)),
    b"BZh": lambda stream: cast("BinaryIO", bz2.BZ2File(stream)),
    b"\xfd7zXZ\x00": lambda stream: cast("BinaryIO", lzma.LZMAFile(stream)),  # noqa: SIM115 - what it reads from is closed
    b"\x28\xb5\x2f\xfd": lambda stream: cast("BinaryIO", zstd.ZstdFile(stream)),
}
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_NEEDS_SEEKING = (b"PAR1", _ZIP, _OLD_EXCEL)
_NOT_DATA = ("_", ".", "__MACOSX/")


class UnreadableFile(Exception):
    """Raised when a file, or a column that was named, is not there or not readable; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Input:
    """Something to read, not opened yet."""

    name: str
    path: Path | None  # None: no file of its own
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Opened:
    """An input that is open, no longer packed in anything."""

    name: str
    path: Path | None  # of a file with exactly these bytes; None: there is only the stream
    start: bytes  # the first bytes
    stream: BinaryIO


def inputs_of(named: Sequence[Path | str]) -> list[Input]:
    """What the names stand for, in their order; the files of a folder or a pattern by name. Raises UnreadableFile."""
    found = [each for name in named for each in _inputs(str(name))]
    seen: set[Path | str] = set()
    for each in found:
        which = each.path.resolve() if each.path else each.name
        if which in seen:
            raise UnreadableFile(f"{each.name} is named twice: every purchase in it would count twice")
        seen.add(which)
    return found


def _inputs(name: str) -> Iterator[Input]:
    if name == STANDARD_INPUT:
        yield Input("standard input", None, lambda: sys.stdin.buffer)
        return
    path = Path(name)
    if path.is_dir():
        yield from map(_file, _files_of(path))
    elif not path.exists() and glob.has_magic(name):
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - a pattern may begin at the root
        if not found:
            raise UnreadableFile(f"{name}: there is no file of this pattern")
        yield from (each for one in found for each in _inputs(glob.escape(one) if not Path(one).exists() else one))
    else:
        yield _file(path)


def _files_of(folder: Path) -> list[Path]:
    """The data files below a folder as Spark, Hive and others write them; markers and hidden files are none."""
    inside = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = [
        path for path in inside if not any(part.startswith(_NOT_DATA[:2]) for part in path.relative_to(folder).parts)
    ]
    found = [path for path in found if path.stat().st_size]  # a task without rows leaves an empty file
    if (folder / "_temporary").exists():
        raise UnreadableFile(f"{folder} is still being written: it holds a folder _temporary. Wait for _SUCCESS")
    if not found:
        raise UnreadableFile(f"{folder} is a folder without data files")
    return found


def _file(path: Path) -> Input:
    return Input(str(path), path, lambda: _opened(path))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror or error}") from error


@contextmanager
def reading(name: str) -> Iterator[None]:
    """What goes wrong while bytes are read, as UnreadableFile."""
    try:
        yield
    except EOFError as error:
        raise UnreadableFile(f"{name} is torn: what it is packed in (gzip or the like) ends too early") from error
    except (zlib.error, lzma.LZMAError, zstd.ZstdError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"{name} is damaged: what it is packed in (gzip or the like) cannot be undone") from error
    except OSError as error:
        raise UnreadableFile(f"{name} cannot be read: {error.strerror or error}") from error


def unpacked(source: Input, scratch: Path, closing: ExitStack) -> list[Opened]:
    """Open it, and undo whatever it is packed in: gzip, bzip2, xz, zstandard, zip, one in the other.

    What can only be read by jumping about is put into the folder `scratch` if it has no file of its own; `closing`
    closes all that was opened. Raises UnreadableFile.
    """
    with reading(source.name):
        opened = _begun(source, closing)
        packed = next((kind for magic, kind in _PACKED.items() if opened.start.startswith(magic)), None)
        if packed:
            return unpacked(Input(source.name, None, lambda: packed(opened.stream)), scratch, closing)
        if not opened.start.startswith(_NEEDS_SEEKING):
            return [opened]
        if opened.path is None:
            opened = _begun(_spooled(opened, scratch), closing)
        return _members(opened, scratch, closing) if opened.start.startswith(_ZIP) else [opened]


def _begun(source: Input, closing: ExitStack) -> Opened:
    stream = source.open()
    if stream is not sys.stdin.buffer:
        closing.callback(stream.close)
    start = stream.read(SNIFF_BYTES)
    if source.path is not None and stream.seekable():
        stream.seek(0)
        return Opened(source.name, source.path, start, stream)
    return Opened(source.name, None, start, cast("BinaryIO", io.BufferedReader(_Again(start, stream), SNIFF_BYTES)))


class _Again(io.RawIOBase):
    """A stream whose first bytes have been looked at and are to be read once more."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start, self._stream = start, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._start[: len(buffer)] or self._stream.read(len(buffer))
        self._start = self._start[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


def _members(opened: Opened, scratch: Path, closing: ExitStack) -> list[Opened]:
    try:
        archive = closing.enter_context(zipfile.ZipFile(opened.stream))
    except zipfile.BadZipFile as error:
        raise UnreadableFile(
            f"{opened.name} is neither CSV nor Parquet: it begins like a zip archive or a spreadsheet, but is broken"
        ) from error
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if "[Content_Types].xml" in names or "mimetype" in names:  # a spreadsheet is a zip archive, too
        opened.stream.seek(0)
        return [opened]
    names = [name for name in names if not name.startswith(_NOT_DATA) and not Path(name).name.startswith(_NOT_DATA[:2])]
    if not names:
        raise UnreadableFile(f"{opened.name} is a zip archive without data files")
    if any(archive.getinfo(name).flag_bits & 1 for name in names):
        raise UnreadableFile(f"{opened.name} is locked with a password; unpack it first")
    members = [Input(f"{opened.name}:{name}", None, partial(_member, archive, name)) for name in names]
    return [each for member in members for each in unpacked(member, scratch, closing)]


def _member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    return cast("BinaryIO", archive.open(name))


def _spooled(opened: Opened, scratch: Path) -> Input:
    path = scratch / f"input-{len(list(scratch.iterdir()))}"
    with path.open("wb") as file:
        shutil.copyfileobj(opened.stream, file, 1 << 20)
    return Input(opened.name, path, lambda: path.open("rb"))
