"""The purchases that recommenders are measured on: a file's, or those of the service's own database.

In: what `alsobought import` takes, read by the same options; or the settings. Out: histories and the key of each
product number.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.settings import Settings
from serving.cli.cell_options import what_cells_mean
from serving.cli.file_options import columns_of, names_of, reading_of, times_of

if TYPE_CHECKING:
    from model.purchases.histories import Histories


class NothingToMeasure(Exception):
    """Raised when the purchases leave nobody to test, or too little to learn from; the text says what to do."""


def read_purchases(
    files: tuple[Path, ...],
    settings: Settings,
    options: Mapping[str, Any],
    progress: Callable[[str, float], None],
) -> tuple["Histories", list[str]]:
    """Histories, and keys by product number; from the database when no file is named.

    `options` are those of `file_options`. Raises `NothingToMeasure` and UnreadableFile.
    """
    return _from_files(files, settings, options, progress) if files else _from_database(settings)


def _from_files(
    files: tuple[Path, ...],
    settings: Settings,
    options: Mapping[str, Any],
    progress: Callable[[str, float], None],
) -> tuple["Histories", list[str]]:
    from consumers.file_import.file_histories import numbered  # noqa: PLC0415 - DuckDB takes a while to load, --help should not
    from consumers.file_import.purchase_files import open_purchases  # noqa: PLC0415 - slow to load

    with open_purchases(
        files,
        columns_of(options),
        **times_of(settings),
        brand_id=options["brand_id"],
        reading=reading_of(options),
        **what_cells_mean(options),
        progress=progress,
    ) as purchases:
        for remark in purchases.contents.remarks:
            click.echo(remark, err=True)
        left_out = purchases.contents.left_out
        if left_out.total:
            why = ", ".join(f"{count:,} x {reason}" for reason, count in left_out.rows.items())
            click.echo(f"{left_out.total:,} rows cannot be used and are left out: {why}", err=True)
        found = numbered(purchases)
    if not len(found.histories.products):
        raise NothingToMeasure(f"{names_of(files)} has no usable purchases; `alsobought import --dry-run` says why")
    return found.histories, found.keys


def _from_database(settings: Settings) -> tuple["Histories", list[str]]:
    from model.store.reader import read_contents  # noqa: PLC0415 - NumPy takes a while to load

    contents = read_contents(settings.database)
    if not len(contents.histories.products):
        raise NothingToMeasure(f"{settings.database} holds no purchases yet; name a FILE instead")
    return contents.histories, [product.key for product in contents.products]
