"""A run in several processes: which tests go together, who is alone, what is made once, what is said at the end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lanes import lane

ROOT = Path(__file__).parents[2]

PLUGIN = 'pytest_plugins = ["tests.lanes"]\n'

CALM = """
import json, os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(6))
{mark}
def test_it(number):
    began = time.monotonic()
    if number == 0 and not {alone}:  # those that need no calm begin only together
        (Path({notes!r}) / f"{{os.getpid()}}.here").touch()
        while len(list(Path({notes!r}).glob("*.here"))) < 2 and time.monotonic() < began + 30:
            time.sleep(0.01)
    time.sleep(0.05)
    with (Path({notes!r}) / f"{{os.getpid()}}").open("a") as file:
        file.write(json.dumps([{alone}, began, time.monotonic()]) + "\\n")
"""

MADE_ONCE = """
from tests.lanes import say_at_the_end

def test_it(once_per_run, request):
    folder = once_per_run("made", lambda aside: (aside.mkdir(), (aside / "made").write_text("x")))
    with open({notes!r} + "/made", "a") as file:
        file.write(str((folder / "made").stat().st_ino) + "\\n")
    say_at_the_end(request.config, "said once")
"""


def run(folder: Path, *options: str) -> str:
    """What pytest printed of the tests in this folder, run in two processes; all of them passed."""
    (folder / "conftest.py").write_text(PLUGIN)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = alone\n")
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadscope", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/unit/model/test_x.py::test_it[java]", "tests/unit/model/test_x.py"),
        ("tests/kafka/models/test_gate.py::test_it[java]", "kafka on java, second half"),
        ("tests/kafka/operations/test_http.py::test_it[java]", "kafka on java, first half"),
        ("tests/kafka/models/test_gate.py::test_it[docker-classic]", "kafka on docker"),
        ("tests/kafka/models/test_gate.py::test_it[classic-embedded-1]", "kafka on embedded"),
        ("tests/kafka/chaos/test_kills.py::test_it", "kafka on java, second half"),
    ],
)
def test_a_kind_of_broker_is_a_lane_and_so_is_every_other_file(nodeid, expected):
    assert lane(nodeid) == expected


@pytest.mark.slow("a run of pytest in two processes")
def test_a_test_that_needs_calm_is_alone_and_the_others_are_not(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for name, mark in (("a", ""), ("b", ""), ("c", "@pytest.mark.alone")):
        code = CALM.format(mark=mark, notes=str(notes), alone=bool(mark))
        (tmp_path / f"test_{name}.py").write_text(code)
    run(tmp_path)
    seen = [json.loads(line) for file in notes.iterdir() for line in file.read_text().splitlines()]
    beside = [
        (one, other)
        for at, one in enumerate(seen)
        for other in seen[at + 1 :]
        if one[1] < other[2] and other[1] < one[2]
    ]

    assert len(seen) == 18
    assert beside, "others run side by side"
    assert not any(one[0] or other[0] for one, other in beside)


@pytest.mark.slow("a run of pytest in two processes")
def test_what_is_dear_is_made_once_and_what_is_to_be_told_is_said_once(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / f"test_{name}.py").write_text(MADE_ONCE.format(notes=str(notes)))
    said = run(tmp_path)

    assert len(set((notes / "made").read_text().splitlines())) == 1
    assert said.count("said once") == 1
    assert said.splitlines()[-1].split()[1:3] == ["3", "passed"]
