"""`alsobought docs`, hidden: writes the generated pages of the documentation."""

from pathlib import Path

import click

from serving.cli.options import command
from serving.reports.docs_pages import metrics_page, settings_page
from serving.reports.docs_rooms import with_plan

_PLAN = "architecture.md"


@command(example="python -m serving docs")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("docs"))
def docs(folder: Path) -> None:
    """Write settings.md, metrics.md and the plan of the rooms in architecture.md, in FOLDER (default: docs)."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"settings.md": settings_page(), "metrics.md": metrics_page()}
    if (folder / _PLAN).exists():
        pages[_PLAN] = with_plan((folder / _PLAN).read_text(encoding="utf-8"))
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote {folder / name}")
