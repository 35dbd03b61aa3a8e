"""Completion for shells, and what was meant by a command that is not there."""

import pytest
from click.testing import CliRunner

from serving.cli.main import alsobought


def complete(words, at):
    env = {"_ALSOBOUGHT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    return CliRunner().invoke(alsobought, env=env, prog_name="alsobought").output.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_it_reads(shell):
    result = CliRunner().invoke(alsobought, ["completion", shell], prog_name="alsobought")

    assert result.exit_code == 0
    assert "_ALSOBOUGHT_COMPLETE" in result.output


def test_commands_and_options_are_completed():
    assert complete("alsobought tr", 1) == ["plain,train"]
    assert complete("alsobought train --ep", 2) == ["plain,--epochs"]
    assert {"plain,pin", "plain,promote"} <= set(complete("alsobought models p", 2))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["trian"], "Did you mean train"),
        (["import-file"], "Did you mean import"),
        (["models", "promot"], "promote"),
        (["run", "--bootstrap-server", "x"], "Did you mean '--bootstrap-servers'"),
    ],
)
def test_what_was_meant_is_named(written, meant):
    result = CliRunner().invoke(alsobought, written)

    assert result.exit_code == 2
    assert meant in result.output
