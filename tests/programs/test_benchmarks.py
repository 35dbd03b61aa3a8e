"""`make bench` fails for a benchmark that fails, gives no verdict, or does not know --little."""

import pytest

from tests.benchmarks.run import FOLDER, run

GOOD = """
from tests.benchmarks.options import Options
from tests.benchmarks.verdicts import Verdicts

options = Options("")
options.size("--rounds", 3, 1)
chosen = options.chosen()
Verdicts.of(chosen).at_most("how many rounds", chosen.rounds, 2)
"""


@pytest.fixture
def run_it(tmp_path, monkeypatch, capfd):
    """Runs scripts with these texts; gives the exit code and what was printed."""
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parents[1]))

    def run_them(*texts, little=True):
        scripts = [tmp_path / f"bench_{number}.py" for number in range(len(texts))]
        for script, text in zip(scripts, texts, strict=True):
            script.write_text(text)
        code = run(scripts, tmp_path, little=little)
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return run_them


def test_the_table_at_the_end_says_met_and_not_met_alike(run_it):
    little, said_of_little = run_it(GOOD)
    full, said_of_full = run_it(GOOD.replace("how many", "again, how many"), little=False)

    assert (little, full) == (0, 0), "a bar that is not met fails nothing"
    assert "0   how many rounds  1       ≤ 2  met" in said_of_little
    assert "NOT MET" in said_of_full


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise SystemExit(3)", "bench_1 ended with 3"),
        ("import sys; print(sys.argv)", "bench_1 gave no verdict"),
        ("import argparse; argparse.ArgumentParser().parse_args()", "bench_1 ended with 2"),
    ],
)
def test_one_bad_script_fails_the_run(run_it, text, why):
    code, said = run_it(GOOD, text)

    assert code == 1
    assert why in said
