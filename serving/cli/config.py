"""`alsobought config`: the settings in force, each with its source, secrets masked."""

import json
import sys

import click

from config.loading import ShownSetting, shown_settings
from serving.cli.options import GivenFlags, command, every_setting, setting_flags


@command(
    example="""
    alsobought config
    alsobought config --config shop.toml --json
    """
)
@setting_flags(*every_setting())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: name to value and source.")
def config(*, given: GivenFlags, as_json: bool) -> None:
    """Print the settings in force, and where each came from.

    Takes every setting as a flag, so that a command line can be tried before it is used. Secrets are masked.
    """
    shown = shown_settings(given.flags, given.config_file)
    if as_json:
        click.echo(json.dumps({each.name: {"value": each.value, "source": each.source} for each in shown}, indent=2))
    elif sys.stdout.isatty():
        _print_table(shown)
    else:
        for each in shown:
            click.echo(f"{each.name} = {each.value}  ({each.source})")


def _print_table(shown: list[ShownSetting]) -> None:
    from rich.console import Console  # noqa: PLC0415 - a third of the start-up time, and only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("setting", "value", "from", box=None, header_style="bold")
    for each in shown:
        style = "dim" if each.source == "default" else "bold"
        table.add_row(Text(each.name), Text(each.value, style), Text(each.source, style))
    Console().print(table)
