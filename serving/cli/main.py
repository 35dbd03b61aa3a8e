"""The command `alsobought`: which commands there are, where each lives, and how an error ends.

A command is imported only when it is used, so `--help` answers at once. A wrong setting ends with exit code 2, any
other error that an operator can act upon with one line and exit code 1; a fault of ours keeps its traceback.

To add a command: write `serving/cli/NAME.py` with `serving.cli.options.command`, and name it in COMMANDS.
"""

import difflib
import importlib
import sqlite3
from dataclasses import dataclass
from importlib import metadata

import click
from click.shell_completion import CompletionItem

from config.errors import ConfigError
from consumers.pace import Pace


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a command lives (`module:attribute`) and what `alsobought --help` says of it."""

    place: str
    summary: str
    hidden: bool = False


COMMANDS = {
    "demo": _Entry("serving.cli.demo:demo", "Watch a made-up shop: purchases in, a model learnt, answers out."),
    "run": _Entry("serving.cli.run:run", "Run the service against your Kafka."),
    "ask": _Entry("serving.cli.ask:ask", "Ask the running service for recommendations, over Kafka."),
    "import": _Entry(
        "serving.cli.import_:import_", "Send purchases from files to Kafka: CSV, JSON lines, Parquet, sheets."
    ),
    "train": _Entry("serving.cli.train:train", "Learn a model once, from the purchases in the data folder."),
    "evaluate": _Entry(
        "serving.cli.evaluate:evaluate", "Compare recommenders on your own purchases, beside other methods."
    ),
    "tune": _Entry("serving.cli.tune:tune", "Search training settings that suit your own purchases better."),
    "models": _Entry("serving.cli.models:models", "List the models with their scores; pin one, roll back, promote."),
    "dead-letters": _Entry("serving.cli.dead_letters:dead_letters", "List unreadable records, or send them back."),
    "forgotten": _Entry("serving.cli.forgotten:forgotten", "Say until which model a forgotten customer is in one."),
    "rebuild": _Entry("serving.cli.rebuild:rebuild_", "Make the database anew from the topics; compare digests."),
    "config": _Entry("serving.cli.config:config", "Print the settings in force, and where each came from."),
    "completion": _Entry("serving.cli.completion:completion", "Print what lets your shell complete the commands."),
    "docs": _Entry("serving.cli.docs:docs", "Write the generated pages of the documentation.", hidden=True),
}

# Errors whose text is for the operator: ours, by the package they come from, and those of files, SQLite and Kafka.
_OUR_PACKAGES = {"config", "model", "consumers", "serving"}
_KAFKA_CLIENT = {"cimpl", "confluent_kafka"}


class Refusal(click.ClickException):
    """A wrong configuration: its text on standard error, exit code 2."""

    exit_code = 2


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands that are shown, in the order of the table."""
        return [name for name, entry in COMMANDS.items() if not entry.hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return the command, None when there is none of this name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that is not there the nearest is named."""
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name.lower(), self.list_commands(ctx), n=2, cutoff=0.5)
            meant = f" Did you mean {' or '.join(near)}?" if near else " See alsobought --help."
            raise click.UsageError(f"No such command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What may follow: the commands from the table, importing none of them, and the options."""
        commands = [
            CompletionItem(name, help=COMMANDS[name].summary)
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; errors for the operator become one text and an exit code."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise Refusal(str(error)) from error
        except Exception as error:
            if not is_for_operator(error):
                raise
            raise click.ClickException(" ".join(str(error).split()) or type(error).__name__) from error


def is_for_operator(error: Exception) -> bool:
    """Whether the text of this error tells an operator what to do, so that a traceback would only hide it."""
    if isinstance(error, BrokenPipeError):
        return False  # the reader has enough: click ends quietly
    package = type(error).__module__.partition(".")[0]
    return package in _OUR_PACKAGES | _KAFKA_CLIENT or isinstance(error, (OSError, sqlite3.Error))


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    try:
        number = metadata.version("alsobought")
    except metadata.PackageNotFoundError:
        number = "of this checkout (not installed)"
    click.echo(f"alsobought {number}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="\b\nExample:\n  $ alsobought demo",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
def alsobought() -> None:
    """What should this customer be offered next? Purchases in, recommendations out, over Kafka.

    Settings come from a TOML file, the environment (ALSOBOUGHT_…) and flags; the later one wins.
    """


def main(pace: Pace | None = None) -> None:
    """Run the command that the process was started with; a service keeps this pace, a shop's where there is none."""
    alsobought.main(prog_name="alsobought", obj=pace)
