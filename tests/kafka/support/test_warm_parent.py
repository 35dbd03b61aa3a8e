"""A service that was forked is one to those who watch it: its exit codes, signals, environment, and its end."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from consumers.pace import SHOPS_PACE, Pace
from tests.kafka.support.warm_parent import WarmParent, WarmProcess

NOWHERE = {"ALSOBOUGHT_BOOTSTRAP_SERVERS": "127.0.0.1:1", "ALSOBOUGHT_HTTP_PORT": "0", "PYTHONUNBUFFERED": "1"}
END_S = 20.0


@pytest.fixture(scope="module")
def parent() -> Iterator[WarmParent]:
    made = WarmParent()
    yield made
    made.close()


@pytest.fixture
def start(parent: WarmParent, tmp_path: Path) -> Iterator[Callable[..., WarmProcess]]:
    """`start(**settings)`: a service that waits for a Kafka that is not there, its log in tmp_path/log."""
    started: list[WarmProcess] = []

    def begin(*, pace: Pace = SHOPS_PACE, **settings: str) -> WarmProcess:
        environment = NOWHERE | {f"ALSOBOUGHT_{name.upper()}": value for name, value in settings.items()}
        with (tmp_path / "log").open("ab") as log:
            process = parent.start(["run"], pace=pace, environment=environment, folder=tmp_path, log=log.fileno())
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait(END_S)


def until_it_waits(folder: Path) -> None:
    """Until the log says that it waits for Kafka: by then it hears signals."""
    deadline = time.monotonic() + END_S
    while "waiting_for_kafka" not in (folder / "log").read_text():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.05)


def test_a_wrong_setting_is_said_in_the_log_and_ends_it_with_two(start, tmp_path):
    assert start(role="nothing").wait(END_S) == 2
    assert "role" in (tmp_path / "log").read_text()


def test_it_keeps_the_pace_that_it_was_given(start, tmp_path):
    process = start(pace=Pace(broker_wait_s=0.1, broker_try_s=0.1))

    assert process.wait(END_S) == 1
    assert "127.0.0.1:1" in (tmp_path / "log").read_text()


def test_sigterm_ends_it_in_order(start, tmp_path):
    process = start()
    until_it_waits(tmp_path)
    process.terminate()

    assert process.wait(END_S) == 0
    assert "stopped" in (tmp_path / "log").read_text()


def test_what_a_signal_killed_says_which(start):
    process = start()
    process.kill()

    assert process.wait(END_S) == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL


def test_a_wait_that_is_too_short_is_said_and_changes_nothing(start):
    process = start()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)

    assert process.poll() is None


def test_two_services_have_each_their_own_environment_folder_and_session(start, tmp_path):
    one, two = start(data_dir=str(tmp_path / "one")), start(data_dir=str(tmp_path / "two"))
    until_it_waits(tmp_path)
    seen = [psutil.Process(process.pid) for process in (one, two)]

    assert {process.cwd() for process in seen} == {str(tmp_path)}
    assert one.pid != two.pid
    assert one.poll() is two.poll() is None


def test_its_services_end_with_the_parent(tmp_path):
    parent = WarmParent()
    with (tmp_path / "log").open("ab") as log:
        process = parent.start(["run"], pace=Pace(), environment=NOWHERE, folder=tmp_path, log=log.fileno())
    service = psutil.Process(process.pid)
    parent.close()

    assert not service.is_running()
    assert process.wait(END_S) == -signal.SIGKILL
