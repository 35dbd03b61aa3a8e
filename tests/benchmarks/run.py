"""`make bench`: every benchmark, one after the other, and one table of what they found at the end.

Every bench_*.py of this folder takes `--little` and `--verdicts`; with `--little` they run side by side. One that fails
or gives no verdict fails the run.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.setting import ROOT
from tests.benchmarks.verdicts import closing_table, read_verdicts

FOLDER = Path(__file__).parent
_SIDE_BY_SIDE = 2  # with --little: brokers and services wait more than they work


def main() -> int:
    """The exit code: 1 when a script failed or gave no verdict. A bar that is not met fails nothing."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--little", action="store_true", help="only show that every script works")
    options.add_argument("--only", nargs="+", metavar="NAME", help="these scripts: bench_answers, ...")
    chosen = options.parse_args()
    scripts = [script for script in sorted(FOLDER.glob("bench_*.py")) if script.stem in (chosen.only or [script.stem])]
    with tempfile.TemporaryDirectory(prefix="alsobought-bench-") as folder:
        return run(scripts, Path(folder), little=chosen.little)


def run(scripts: Sequence[Path], folder: Path, *, little: bool) -> int:
    """Run them, print the table of their verdicts and what went wrong; the exit code. `folder` is for the verdicts."""
    began = time.monotonic()
    with ThreadPoolExecutor(_SIDE_BY_SIDE if little else 1) as pool:  # one that measures has the machine to itself
        wrong = [why for why in pool.map(lambda script: _run_one(script, folder, little=little), scripts) if why]
    closing_table(verdict for script in scripts for verdict in read_verdicts(_file_of(script, folder)))
    print(f"{len(scripts)} benchmarks in {time.monotonic() - began:.0f} s", flush=True)
    if little:
        print("Sizes were tiny: these figures show that the scripts work, and say nothing about speed.", flush=True)
    for why in wrong:
        print(why, file=sys.stderr)
    return 1 if wrong or not scripts else 0


def _run_one(script: Path, folder: Path, *, little: bool) -> str:
    """What went wrong, or nothing. With `little` its output is shown at its end, in one piece."""
    began, file = time.monotonic(), _file_of(script, folder)
    command = [sys.executable, str(script), "--verdicts", str(file), *(["--little"] if little else [])]
    if not little:
        print(f"== {script.stem}", flush=True)
    into = subprocess.PIPE if little else None
    done = subprocess.run(command, cwd=ROOT, check=False, text=True, stdout=into, stderr=subprocess.STDOUT)
    said = f"== {script.stem}\n{done.stdout}" if little else ""
    print(f"{said}== {script.stem}: exit {done.returncode} after {time.monotonic() - began:.0f} s\n", flush=True)
    if done.returncode:
        return f"{script.stem} ended with {done.returncode}"
    if not read_verdicts(file):
        return f"{script.stem} gave no verdict: every benchmark ends with one, see tests/benchmarks/verdicts.py"
    return ""


def _file_of(script: Path, folder: Path) -> Path:
    return folder / f"{script.stem}.jsonl"


if __name__ == "__main__":
    sys.exit(main())
