"""Benchmarks that need neither a broker nor real data still run, with little to do."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("bench_store.py", "--events 3000 --customers 400 --products 50 --rounds 1"),
        ("bench_growth.py", "--sizes 400x2 --events 500"),
        ("bench_judge.py", "--events 600 --customers 100 --products 50 --rounds 1"),
    ],
)
def test_it_runs(script, options):
    command = [sys.executable, FOLDER / script, *options.split()]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
