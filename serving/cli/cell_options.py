"""Options that say what stands in a file of purchases: times, numbers, and which rows are meant.

For every command that reads such a file: `cell_options` adds them, `what_cells_mean` makes of them what
`consumers.file_import.purchase_files.open_purchases` takes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from serving.cli.options import Function

if TYPE_CHECKING:
    from consumers.file_import.conditions import Condition


def _conditions(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> "tuple[Condition, ...]":
    from consumers.file_import.conditions import UnfitCondition, conditions  # noqa: PLC0415 - DuckDB loads slowly

    try:
        return conditions(given)
    except UnfitCondition as error:
        raise click.BadParameter(str(error)) from error


_OPTIONS = (
    click.option(
        "--clock-column", metavar="NAME", help="Column with the time of day, where --time-column holds the date alone."
    ),
    click.option(
        "--time-format",
        metavar="FORMAT",
        help="How times are written: '%m/%d/%Y %H:%M', excel, excel-1904, or day:2026-01-01 for days counted from 0 on"
        " that date (week:, hour: likewise).  [default: found out]",
    ),
    click.option(
        "--decimal", type=click.Choice([".", ","]), help="What begins the fraction of a number.  [default: found out]"
    ),
    click.option("--no-price", is_flag=True, help="Leave prices away."),
    click.option(
        "--where",
        multiple=True,
        callback=_conditions,
        metavar="COLUMN=VALUE",
        help="Only rows with this value; != for rows without it; several values with commas. May be repeated.",
    ),
)


def cell_options(function: Function) -> Function:
    """Add the options; the function gets clock_column, time_format, decimal, no_price and where."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def what_cells_mean(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments `where` and `decimal` of `open_purchases`; time_format goes to `Reading`, columns to `Columns`."""
    return {"where": options["where"], "decimal": options["decimal"]}
