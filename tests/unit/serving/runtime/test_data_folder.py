"""A data folder is one process's, which is found there by those who look for it."""

import json
import os
import subprocess
import sys

import pytest

from config.errors import ConfigError
from serving.runtime.data_folder import announced_in, exclusive

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
