"""`alsobought models`: which models are on disk, and where each came from."""

import json
from datetime import UTC, datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from config.settings import Settings
from serving.command_options import command, settings_options
from serving.progress_display import plain, say


@command(example="alsobought models --data-dir /var/lib/alsobought")
@click.option("--json", "as_json", is_flag=True, help="Print everything that the metadata say.")
@settings_options("models_dir")
def models(settings: Settings, *, as_json: bool) -> None:
    """List the models on disk, newest first."""
    from serving.service import list_versions  # noqa: PLC0415 - FAISS takes a while to load, --help should not

    listed = list_versions(settings.models_folder)
    if as_json:
        click.echo(json.dumps(listed, indent=2))
    elif not listed:
        click.echo(f"{settings.models_folder}: no models yet; the trainer makes one when there are enough purchases")
    else:
        console = Console(highlight=False)
        console.print(_table([row for row in listed if "problem" not in row]))
        for row in listed:
            if "problem" in row:
                say(console, f"{row['version']}: {row['problem']}", "red")


def _table(listed: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("version", "kind", "made", "brand", "products", "customers", "lines", "seconds", "because"):
        right = name in ("products", "customers", "lines", "seconds")
        table.add_column(name, justify="right" if right else "left", no_wrap=name in ("version", "made"))
    for row in listed:
        made = datetime.fromtimestamp(row["created_at_s"], UTC).strftime("%Y-%m-%d %H:%M")
        numbers = [f"{row[name]:,}" for name in ("vocabulary", "customers", "lines")]
        cells = [
            row["version"],
            row["kind"],
            made,
            row["brand_id"] or "",
            *numbers,
            f"{row['seconds']:.1f}",
            row["reason"],
        ]
        table.add_row(*map(plain, cells))
    return table
