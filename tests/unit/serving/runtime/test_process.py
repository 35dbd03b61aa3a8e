"""A process among others: asked to stop, alone in its folder, and found by those who look for it."""

import gc
import json
import os
import signal
import subprocess
import sys

import pytest

from config.errors import ConfigError
from serving.live_models.memory import seldom_collecting
from serving.runtime.data_folder import announced_in, exclusive
from serving.runtime.stop_signal import stop_signal

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_to_stop(number):
    before = handlers()
    with stop_signal() as stopping:
        asked_before = stopping()
        os.kill(os.getpid(), number)

        assert (asked_before, stopping()) == (False, True)

    assert handlers() == before


def test_a_second_signal_of_any_kind_would_kill():
    with stop_signal():
        os.kill(os.getpid(), signal.SIGTERM)

        assert handlers() == [signal.SIG_DFL] * 3


def test_a_second_signal_is_ignored_where_somebody_depends_on_the_end():
    with stop_signal(second_kills=False) as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

        assert stopping()


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signal() as stopping:
            os.kill(os.getpid(), signal.SIGHUP)

            assert not stopping()
    finally:
        signal.signal(signal.SIGHUP, before)


HOLDER = """
import sys
from pathlib import Path
from serving.runtime.data_folder import exclusive
with exclusive(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_by_one_process_until_it_ends_however_it_ends(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with other:
        other.stdout.readline()
        with (
            pytest.raises(ConfigError, match="is in use by another alsobought process: stop that one"),
            exclusive(tmp_path),
        ):
            pass
        other.kill()

    with exclusive(tmp_path):
        pass


def test_a_folder_that_may_not_be_made_is_a_wrong_setting(tmp_path):
    (tmp_path / "file").touch()

    with (
        pytest.raises(ConfigError, match=r"data_dir = .*file/data: .*; give a folder"),
        exclusive(tmp_path / "file" / "data"),
    ):
        pass


def test_the_address_is_in_run_json_while_it_answers(tmp_path):
    with announced_in(tmp_path, "http://127.0.0.1:1"):
        said = json.loads((tmp_path / "run.json").read_text())

    assert said == {"pid": os.getpid(), "http": "http://127.0.0.1:1"}
    assert list(tmp_path.iterdir()) == []


def test_reference_cycles_are_looked_for_seldom_for_a_while():
    before = gc.get_threshold()
    with seldom_collecting():
        meanwhile, passed_over = gc.get_threshold(), gc.get_freeze_count()

    assert meanwhile[0] > before[0]
    assert passed_over > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
