"""A process holds its data folder alone, and says in it where it listens."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from config.errors import ConfigError


@contextmanager
def exclusive(data_dir: Path) -> Iterator[IO[str]]:
    """Hold the folder for this process alone. Raises `ConfigError` when another one has it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"data_dir = {data_dir}: {error.strerror}; give a folder that this user may write to"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"data_dir = {data_dir} is in use by another alsobought process: stop that one, or give this one "
                "another data_dir (workers that share the partitions each have their own)"
            ) from error
        yield file


@contextmanager
def announced_in(folder: Path, url: str) -> Iterator[None]:
    """Leave the address in `run.json` while it answers; it appears whole or not at all."""
    note, aside = folder / "run.json", folder / ".run.json"
    aside.write_text(json.dumps({"pid": os.getpid(), "http": url}), encoding="utf-8")
    aside.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
