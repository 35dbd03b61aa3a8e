"""The kernel on its way to machine code while the service runs, and what the operator hears of it."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from model.ranking.kernel.compilation import Compilation

log = structlog.get_logger(__name__)


def begin_compiling(folders: Sequence[Path]) -> Compilation:
    """Compile, or load what was compiled before, in a thread; until it is there the reference ranks."""

    def done(seconds: float) -> None:
        log.info("kernel_compiled", seconds=round(seconds, 1))

    def failed(error: str) -> None:
        log.warning("kernel_not_compiled", error=error, action="answers are right, and cost several times as much")

    compilation = Compilation(folders, done, failed)
    compilation.start()
    return compilation
