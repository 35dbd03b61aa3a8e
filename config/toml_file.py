"""Settings put into a TOML file that may hold others: only the lines of these settings change, all else stays.

In: the file's text, the settings and remarks on them. Out: the new text, whose meaning is checked before it is written;
the file appears whole or not at all, and keeps its permissions.
"""

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.errors import ConfigError

_BEGIN, _END = "# -- written by `alsobought {command}` --", "# -- end of `alsobought {command}` --"


def read_text(path: Path) -> str:
    """The file's text, "" where there is none. Raises `ConfigError` where it can not be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path} can not be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}; mend it, or name another file") from error
    return text


def put_into(text: str, command: str, settings: Mapping[str, float], remarks: Sequence[str]) -> str:
    """The text with the settings in a block at its top, after the remarks; an earlier block of the command goes.

    Raises `ConfigError` where the settings stand in the text in a way that can not be taken out line by line.
    """
    begin, end = _BEGIN.format(command=command), _END.format(command=command)
    values = [f"{name} = {value!r}" for name, value in settings.items()]
    block = [begin, *(f"# {remark}" for remark in remarks), *values, end]
    rest = _without(_outside(text.splitlines(), begin, end), settings)
    made = "\n".join([*block, *rest]) + "\n"
    if not _means(made, {**tomllib.loads(text), **settings}):
        raise ConfigError(f"can not put {', '.join(settings)} into a file laid out like this; name another file")
    return made


def check_writable(path: Path) -> None:
    """Raise `ConfigError` unless the file could be written now."""
    try:
        _aside(path).touch()
        _aside(path).unlink()
    except OSError as error:
        raise ConfigError(f"{path} can not be written: {error.strerror}; name another file") from error


def write(path: Path, text: str) -> None:
    """Write the file, whole or not at all. Raises `OSError`."""
    aside, real = _aside(path), path.resolve()
    aside.write_text(text, encoding="utf-8")
    if real.exists():
        shutil.copymode(real, aside)
    aside.replace(real)


def _aside(path: Path) -> Path:
    real = path.resolve()
    return real.with_name(f".{real.name}.new")


def _outside(lines: Sequence[str], begin: str, end: str) -> list[str]:
    """The lines without the block's markers and remarks; its settings stay, for others than ours may stand there."""
    kept, inside = [], False
    for line in lines:
        inside = (inside or line == begin) and line != end
        if line not in (begin, end) and not (inside and line.startswith("#")):
            kept.append(line)
    return kept


def _without(lines: Sequence[str], settings: Mapping[str, float]) -> list[str]:
    """The lines without those that set one of the settings, which can only stand before the first table."""
    tables = next((at for at, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    top = [line for line in lines[:tables] if line.partition("=")[0].strip() not in settings]
    return [*top, *lines[tables:]]


def _means(text: str, expected: Mapping[str, object]) -> bool:
    try:
        return tomllib.loads(text) == expected
    except ValueError:
        return False
