"""Compile the kernel for this machine: `python -m model.ranking.kernel.compile FOLDER`."""

import os
import sys
from pathlib import Path

from model.ranking.kernel.compilation import compile_into

if __name__ == "__main__":
    os.nice(10)
    sys.stdout.write(f"{compile_into(Path(sys.argv[1]))}\n")
