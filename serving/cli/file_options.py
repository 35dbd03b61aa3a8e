"""Options that say how files of purchases are read: one door for every command that reads them.

`file_options` adds the argument FILE... and the options, those of `cell_options` too; `columns_of`, `reading_of`,
`times_of` and `what_cells_mean` make of what was given what `consumers.file_import.purchase_files.open_purchases`
takes.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.settings import Settings
from consumers.decoding.event_times import start_of_year_s
from consumers.file_import.known_exports import EXPORTS
from serving.cli.cell_options import cell_options
from serving.cli.options import Function

if TYPE_CHECKING:
    from consumers.file_import.purchase_files import Columns
    from consumers.file_import.tables import Reading

COLUMNS: dict[str, tuple[str | None, str]] = {
    "customer": ("customer_id", "who bought"),
    "product": ("product_id", "what was bought"),
    "time": (
        "ts",
        "when: a timestamp, ISO 8601, seconds or milliseconds since 1970 (else --time-format); UTC if no zone is named",
    ),
    "order": ("order_id", "the order's id; a file without one has an order for each customer and time"),
    "quantity": ("quantity", "how many; may be absent"),
    "price": ("price", "the price of one; may be absent"),
    "brand": (None, "the brand; rows without one belong to --brand-id"),
}

_OPTIONS = (
    *(
        click.option(
            f"--{name}-column", default=usual, show_default=True, metavar="NAME", help=f"Column that says {words}."
        )
        for name, (usual, words) in COLUMNS.items()
    ),
    click.option(
        "--like",
        type=click.Choice(list(EXPORTS)),
        help="Whose export it is: names the columns as that does.  [default: guessed, and said]",
    ),
    click.option("--brand-id", default="", metavar="TEXT", help="Brand of rows that name none."),
    click.option("--delimiter", metavar="TEXT", help="What separates columns of a CSV.  [default: found out]"),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of text: utf-8, windows-1252, latin-1, utf-16-le, …; a byte order mark comes first.  [default: utf-8]",
    ),
    click.option(
        "--skip-lines", type=click.IntRange(0), default=0, metavar="N", help="Lines of a CSV or sheet above its header."
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of a spreadsheet.  [default: the first that is not empty]"),
    click.option(
        "--split",
        metavar="TEXT",
        help="What separates products that stand in one cell; none: each cell is one product, whatever is in it.",
    ),
    click.option(
        "--unnest",
        multiple=True,
        metavar="COLUMN",
        help="Column of lists: a line for each element. Several columns go side by side.",
    ),
    click.option(
        "--fill-down",
        is_flag=True,
        help="Take customer, time and brand of an order from its first line, if that alone has them.",
    ),
    click.option("--memory-mb", type=click.IntRange(64), default=512, show_default=True, help="Memory for sorting."),
)


def file_options(function: Function) -> Function:
    """Add FILE... and the options; the function gets `files`, a tuple of paths, and the options by their names."""
    function = cell_options(function)
    for option in reversed(_OPTIONS):
        function = option(function)
    return click.argument(
        "files",
        metavar="[FILE]...",
        type=click.Path(path_type=Path),
        nargs=-1,
        help="CSV, JSON lines, Parquet or a spreadsheet, also packed; a pattern; a folder; - for standard input.",
    )(function)


def columns_of(options: Mapping[str, Any]) -> "Columns":
    """Which column holds what; no price where none is wanted."""
    from consumers.file_import.purchase_files import Columns  # noqa: PLC0415 - DuckDB takes a while to load, --help should not

    names = {name: options[f"{name}_column"] for name in (*COLUMNS, "clock")}
    return Columns(**names | ({"price": None} if options["no_price"] else {}))


def reading_of(options: Mapping[str, Any]) -> "Reading":
    """How the files are read."""
    from consumers.file_import.tables import Reading  # noqa: PLC0415 - see above

    return Reading(
        delimiter=options["delimiter"],
        encoding=options["encoding"],
        time_format=options["time_format"],
        memory_mb=options["memory_mb"],
        skip_lines=options["skip_lines"],
        sheet=options["sheet"],
        split=options["split"],
        unnest=options["unnest"],
        fill_down=options["fill_down"],
        like=options["like"],
    )


def times_of(settings: Settings) -> dict[str, Any]:
    """The arguments `earliest_ms` and `latest_ms` of `open_purchases`: the times that the service takes."""
    return {
        "earliest_ms": start_of_year_s(settings.earliest_purchase_year) * 1000,
        "latest_ms": round((time.time() + settings.max_future_s) * 1000),
    }


def names_of(files: tuple[Path, ...]) -> str:
    """What to call files that were named together."""
    return ", ".join("standard input" if str(file) == "-" else str(file) for file in files)
