"""The command line: what every command shares, and `config`."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from config.descriptions import flag_of
from config.errors import ConfigError
from config.settings import Settings
from serving.cli.main import COMMANDS, LazyGroup, alsobought
from serving.cli.options import COMMON, command, settings_options

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def _bare_surroundings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALSOBOUGHT_CONFIG", raising=False)


def ran(*arguments, group=alsobought):
    return CliRunner().invoke(group, arguments)


def one_command(body):
    """Return a group whose only command, `do`, calls `body`."""
    group = LazyGroup("test")
    group.get_command = lambda *_: click.Command("do", callback=body)
    return group


def failing(error):
    def body():
        raise error

    return one_command(body)


def seen_settings(*arguments, names=("http_port", "create_topics", "window")):
    """Return the Settings that a command with these flags gets, or the failed result."""
    seen = []

    @command(example="do")
    @settings_options(*names)
    def do(settings):
        seen.append(settings)

    result = CliRunner().invoke(do, arguments)
    return seen[0] if seen else result


def command_paths(top, *path):
    """Yield the path of a command and of all commands below it."""
    yield path
    for name, below in getattr(top, "commands", {}).items():
        yield from command_paths(below, *path, name)


def loaded_modules(statements):
    """Return the names of all modules that a fresh interpreter has loaded after the statements."""
    program = f"import sys\n{statements}\nprint(' '.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_a_first_sentence_and_an_example(name):
    for path in command_paths(alsobought.get_command(None, name), name):
        result = ran(*path, "--help")

        assert result.exit_code == 0
        assert result.output.split("\n\n")[1].strip().endswith(".")
        assert "Example:\n    $ " in result.output


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if not entry.hidden])
def test_the_list_of_commands_says_what_each_is_for(name):
    listed = next(line for line in ran("--help").output.splitlines() if line.split()[:1] == [name])

    assert listed.split(maxsplit=1)[1] in COMMANDS[name].summary


@pytest.mark.parametrize("name", ["import", "ask", "evaluate"])
def test_an_argument_is_explained_once(name):
    shown = CliRunner().invoke(alsobought, [name, "--help"]).output
    argument = shown.split("Positional arguments:\n")[1].split()[0]

    assert sum(line.strip().startswith(argument) for line in shown.splitlines()) == 1


def test_hidden_commands_are_not_listed():
    assert " docs " not in ran("--help").output


def test_the_list_of_commands_is_shown_without_importing_any():
    loaded = loaded_modules(
        "from serving.cli.main import alsobought\nalsobought.main(['--help'], standalone_mode=False)"
    )

    heavy = {"gensim", "faiss", "numpy", "confluent_kafka", "pydantic", "prometheus_client", "structlog", "rich"}
    assert loaded & heavy == set()


def test_config_is_shown_without_learning_or_kafka():
    loaded = loaded_modules(
        "from serving.cli.main import alsobought\nalsobought.main(['config'], standalone_mode=False)"
    )

    assert "pydantic" in loaded
    assert loaded & {"gensim", "faiss", "numpy", "confluent_kafka", "prometheus_client", "structlog", "rich"} == set()


def test_the_package_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "serving", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("alsobought ")


def test_an_unknown_command_is_refused():
    result = ran("recommend")

    assert result.exit_code == 2
    assert "No such command 'recommend'" in result.stderr


def test_a_wrong_configuration_ends_with_code_2_and_its_text():
    result = ran("do", group=failing(ConfigError("http_port = 'x': it must be a number")))

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: http_port = 'x': it must be a number\n"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device", "data/x.db"), sqlite3.OperationalError("disk I/O error")]
)
def test_an_error_for_the_operator_ends_with_code_1_and_one_line(error):
    result = ran("do", group=failing(error))

    assert result.exit_code == 1
    assert result.stderr == f"Error: {error}\n"


def test_an_error_of_our_own_kind_is_one_line_even_when_its_text_is_not():
    class StoreTooNew(Exception):
        __module__ = "model.store.schema"

    result = ran("do", group=failing(StoreTooNew("schema 9\n  is newer than 3")))

    assert (result.exit_code, result.stderr) == (1, "Error: schema 9 is newer than 3\n")


def test_a_fault_of_ours_keeps_its_traceback():
    result = ran("do", group=failing(TypeError("not a number")))

    assert isinstance(result.exception, TypeError)


def test_flags_become_settings():
    settings = seen_settings("--http-port", "0", "--no-create-topics", "--log-level", "DEBUG")

    assert (settings.http_port, settings.create_topics, settings.log_level) == (0, False, "debug")


def test_flags_that_are_not_given_leave_the_environment_in_force(monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_WINDOW", "7")

    assert seen_settings().window == 7
    assert seen_settings("--window", "8").window == 8


def test_the_settings_file_can_be_named(tmp_path):
    (tmp_path / "shop.toml").write_text("window = 9\n")

    assert seen_settings("--config", "shop.toml").window == 9


def test_client_properties_are_given_one_by_one():
    settings = seen_settings("--kafka-property", "sasl.password=a=b", "--kafka-property", "linger.ms=5")

    assert settings.kafka_properties == {"sasl.password": "a=b", "linger.ms": "5"}


@pytest.mark.parametrize("pair", ["hunter2", "=hunter2"])
def test_a_client_property_without_a_name_is_refused_and_not_repeated(pair):
    result = seen_settings("--kafka-property", pair)

    assert result.exit_code == 2
    assert "it must be KEY=VALUE" in result.output
    assert "hunter2" not in result.output


def test_a_command_offers_the_common_settings_and_its_own_and_no_others():
    @command(example="do")
    @settings_options("window")
    def do(settings):
        """Do."""

    names = {parameter.name for parameter in do.params}

    assert names == {"config_file", "window", *COMMON}


def test_the_help_shows_common_settings_before_the_others_with_their_defaults():
    text = ran("config", "--help").output

    assert text.index("Options:") < text.index("Common settings:") < text.index("\nSettings:")
    assert text.index("--bootstrap-servers") < text.index("\nSettings:") < text.index("--http-port")
    assert "[default: 8000]" in text


def test_config_takes_every_setting_as_a_flag_but_the_secret_ones():
    text = ran("config", "--help").output

    missing = [name for name in Settings.model_fields if f"{flag_of(name)}" not in text]
    assert missing == ["phone_hash_key", "http_token"]


def test_config_as_json_holds_every_setting_with_value_and_source():
    result = ran("config", "--json", "--http-port", "0")

    shown = json.loads(result.stdout)
    assert shown["http_port"] == {"value": "0", "source": "--http-port"}
    assert list(shown) == list(Settings.model_fields)


def test_config_prints_plain_lines_without_a_terminal_and_masks_secrets(monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_KAFKA_PROPERTIES", '{"sasl.password": "hunter2"}')

    text = ran("config").output

    assert "http_port = 8000  (default)\n" in text
    assert "kafka_properties.sasl.password = ********  (environment ALSOBOUGHT_KAFKA_PROPERTIES)\n" in text
    assert "hunter2" not in text


def test_config_prints_a_table_on_a_terminal(monkeypatch, capsys):
    from serving.cli import config  # noqa: PLC0415

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    config.config.main(["--window", "5"], standalone_mode=False)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["setting", "value", "from"]
    assert ["window", "5", "--window"] in [line.split() for line in lines]


def test_config_refuses_a_wrong_setting_with_code_2():
    result = ran("config", "--http-port", "eighty")

    assert result.exit_code == 2
    assert "http_port = 'eighty' (--http-port): it must be a whole number from 0 to 65535" in result.stderr
