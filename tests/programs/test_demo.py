"""`alsobought demo`: what it shows, and that Ctrl-C ends all of it, whenever it comes."""

import contextlib
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.builders.running import still_running
from tests.readme import demo_block, demo_output, excerpt

ROOT = Path(__file__).parents[2]
SCORE = re.compile(r"\b[01]\.[0-9]{2}\b")
STOP_S = 5


@pytest.fixture
def demo(tmp_path):
    """Start a small demo; its processes are gone when the test ends."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", "demo", "--customers", "300", "--orders", "1500", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        left = all_of(process) if process.poll() is None else []
        process.kill()
        process.wait()
        process.stdout.close()
        for child in left:  # its service and trainer: killed, it could not end them
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def read_until(process, beginning):
    """The lines up to the one that begins so."""
    timer = threading.Timer(60, process.kill)
    timer.start()
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(beginning):
            break
    timer.cancel()
    assert lines, "it said nothing"
    assert lines[-1].startswith(beginning), "\n".join(lines)
    return lines


def all_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def stopped_by_ctrl_c(process):
    """(exit code, processes left), after at most five seconds."""
    children = all_of(process)
    process.send_signal(signal.SIGINT)
    return process.wait(STOP_S), still_running(children)


def test_once_shows_everything_in_plain_lines_and_ends_by_itself(demo):
    process = demo("--once")
    lines = read_until(process, "stopped")

    assert process.wait(STOP_S) == 0
    assert [line for line in lines if not line.isprintable()] == []
    assert lines[0].startswith("a broker inside this process: 127.0.0.1:")
    assert "purchases: 100 % (1,500 of 1,500)" in lines
    assert "learning: 100 %" in lines
    assert len([line for line in lines if " bought last: " in line]) == 3
    assert len([line for line in lines if " because of " in line]) > 12
    (just_bought,) = [at for at, line in enumerate(lines) if " has just bought: " in line]
    assert any("[new]" in line for line in lines[just_bought:])
    assert any(line.startswith("metrics: http://127.0.0.1:") for line in lines)
    assert any("| kcat -P -b 127.0.0.1:" in line for line in lines)
    assert any(" ask --bootstrap-servers 127.0.0.1:" in line for line in lines)


def test_the_readme_shows_what_the_demo_shows():
    shown, written = excerpt(demo_output()), demo_block()

    assert SCORE.sub("", shown) == SCORE.sub("", written), "`python -m tests.readme` writes what the demo shows now"
    # Another family of processors multiplies vectors in another order: the last digit is its own.
    assert [float(score) for score in SCORE.findall(shown)] == pytest.approx(
        [float(score) for score in SCORE.findall(written)], abs=0.02
    )


def test_the_command_that_the_demo_offers_asks_its_service(demo):
    process = demo()
    lines = read_until(process, "Ctrl-C to stop")
    (command,) = [line.strip() for line in lines if " ask --bootstrap-servers 127.0.0.1:" in line]

    asked = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "because of" in asked.stdout


def test_ctrl_c_while_purchases_stream_in_stops_all_of_it(demo):
    process = demo("--orders", "40000")
    read_until(process, "purchases: 25 %")

    assert stopped_by_ctrl_c(process) == (0, [])
    assert read_until(process, "stopped")


def test_ctrl_c_at_the_end_stops_all_of_it_and_pressing_it_twice_does_no_harm(demo):
    process = demo()
    read_until(process, "Ctrl-C to stop")
    process.send_signal(signal.SIGINT)

    assert stopped_by_ctrl_c(process) == (0, [])
