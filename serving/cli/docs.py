"""`alsobought docs`, hidden: writes the generated pages of the documentation."""

from pathlib import Path

import click

from serving.cli.options import command
from serving.reports.docs_pages import metrics_page, settings_page


@command(example="python -m serving docs")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("docs"))
def docs(folder: Path) -> None:
    """Write settings.md and metrics.md into FOLDER (default: docs)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"settings.md": settings_page(), "metrics.md": metrics_page()}.items():
        (folder / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote {folder / name}")
