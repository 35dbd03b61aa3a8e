"""Compiling the kernel: once per machine, into a cache folder, in a process of its own, while the reference answers.

Where no folder can be written, the process that answers compiles for itself, at every start.
"""

import fcntl
import hashlib
import importlib
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.ranking.kernel.kernel import Kernel

_ROOM = Path(__file__).parent
# what is compiled in from elsewhere: constants that the reference uses, too
_CONSTANTS = ("embeddings/queries.py", "ranking/reasons.py", "ranking/reranking.py", "signals/product_votes.py")
_DONE = "compiled"  # an empty file in the folder of what was compiled
_GIVE_UP_S = 600
ENDS_WITH_INPUT = "--ends-with-input"  # of the process that compiles: when whoever started it is gone, it ends


def _nothing(_: object) -> None:
    """Nobody wants to know."""


class Compilation:
    """On its way from source to machine code. `kernel` may be looked at by any thread."""

    def __init__(
        self,
        folders: Sequence[Path],
        on_done: Callable[[float], None] = _nothing,
        on_failure: Callable[[str], None] = _nothing,
    ) -> None:
        """`folders`: where compiled code is looked for, and put into the first that can be written.

        They hold the code for all versions and processors side by side. `on_done` is told the seconds that it took;
        both are called from a thread of their own.
        """
        self._folders = [folder_in(folder) for folder in folders]
        self._on_done, self._on_failure = on_done, on_failure
        self.kernel: Callable[..., Kernel] | None = None  # the class, once its functions are machine code

    def start(self) -> threading.Thread:
        """Compile, or load what was compiled before, in a thread that ends by itself."""
        thread = threading.Thread(target=self.run, name="kernel", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """The same in this thread."""
        began_s = time.perf_counter()
        try:
            self._load(self._compiled_folder())
        except Exception as error:  # noqa: BLE001 - whatever it is, the reference goes on answering
            self._on_failure(str(error) or type(error).__name__)
            return
        self._on_done(time.perf_counter() - began_s)

    def _compiled_folder(self) -> Path | None:
        """The folder that holds it, compiled now if none did; None when none can be written."""
        return _there(self._folders) or next(filter(_compile_apart, self._folders), None)

    def _load(self, folder: Path | None) -> None:
        """Load it from the folder, compiling in this process what is not there."""
        load(folder)
        self.kernel = importlib.import_module("model.ranking.kernel.kernel").Kernel


def load(folder: Path | None) -> None:
    """Have every function of the kernel as machine code in this process; what `folder` lacks is compiled into it."""
    if folder is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
    importlib.import_module("model.ranking.kernel.warm_up").warm_up()


def load_if_compiled(folders: Sequence[Path]) -> bool:
    """Load it if one of these folders holds it; returns whether."""
    there = _there([folder_in(folder) for folder in folders])
    if there is not None:
        load(there)
    return there is not None


def folder_in(folder: Path) -> Path:
    """The folder in `folder` that is for this very version and processor."""
    return folder / _fingerprint()


def compile_into(folder: Path) -> Path:
    """Compile for this machine in this process; returns the folder in `folder` that is for this very version.

    Who else compiles into it at the same time is waited for, and its code is taken.
    """
    inside = folder_in(folder)
    inside.mkdir(parents=True, exist_ok=True)
    with (inside / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        load(inside)
        (inside / _DONE).touch()
    return inside


def _there(folders: Sequence[Path]) -> Path | None:
    return next((folder for folder in folders if (folder / _DONE).exists()), None)


def _compile_apart(folder: Path) -> bool:
    """In a process of its own, that gives way to others: compiling holds the interpreter for seconds.

    Returns whether it is there now.
    """
    command = [sys.executable, "-m", "model.ranking.kernel.compile", str(folder.parent), ENDS_WITH_INPUT]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as compiling:
        try:
            compiling.wait(_GIVE_UP_S)
        except subprocess.TimeoutExpired:
            compiling.kill()
    return (folder / _DONE).exists()


def _fingerprint() -> str:
    """Of all that the machine code depends on."""
    digest = hashlib.sha256()
    for source in (*sorted(_ROOM.glob("*.py")), *(_ROOM.parents[1] / name for name in _CONSTANTS)):
        digest.update(source.read_bytes())
    about = (platform.python_version(), _processor(), metadata.version("numba"))
    digest.update(repr(about).encode())
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Whatever tells kinds of processors apart: their features where Linux says them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
