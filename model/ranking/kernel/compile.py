"""Compile the kernel for this machine: `python -m model.ranking.kernel.compile FOLDER`."""

import os
import sys
import threading
from pathlib import Path

from model.ranking.kernel.compilation import ENDS_WITH_INPUT, compile_into


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    if ENDS_WITH_INPUT in sys.argv:  # beside a service that answers
        os.nice(10)
        threading.Thread(target=_end_with_input, daemon=True).start()
    sys.stdout.write(f"{compile_into(Path(sys.argv[1]))}\n")
