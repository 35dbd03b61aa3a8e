"""The purchases that recommenders are judged on: a file's, or those of the service's own database.

In: a file's name and columns, or the settings. Out: histories and the key of each product number.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.settings import Settings
from serving.cli.options import Function

if TYPE_CHECKING:
    from model.purchases.histories import Histories

_FORWARD_MS = 86_400_000
_COLUMNS = (
    ("customer", "customer_id", "Who bought."),
    ("product", "product_id", "What was bought."),
    ("time", "ts", "When."),
    ("order", "order_id", "The order's id."),
)


class NothingToJudge(Exception):
    """Raised when the purchases leave nobody to test, or too little to learn from; the text says what to do."""


def purchases_options(function: Function) -> Function:
    """Add the argument FILE, and options that name its columns; the function gets `file` and NAME_column."""
    for name, default, meaning in reversed(_COLUMNS):
        option = click.option(f"--{name}-column", default=default, show_default=True, metavar="NAME", help=meaning)
        function = option(function)
    return click.argument("file", type=click.Path(path_type=Path), required=False)(function)


def read_purchases(
    file: Path | None,
    settings: Settings,
    options: Mapping[str, Any],
    progress: Callable[[str, float], None],
) -> tuple["Histories", list[str]]:
    """Histories, and keys by product number; from the database when there is no file. Raises `NothingToJudge`."""
    if file is None:
        return _from_database(settings)
    columns = {name: options[f"{name}_column"] for name, _, _ in _COLUMNS}
    return _from_file(file, columns, progress)


def _from_file(
    file: Path, columns: Mapping[str, str], progress: Callable[[str, float], None]
) -> tuple["Histories", list[str]]:
    from consumers.file_import.file_histories import numbered  # noqa: PLC0415 - DuckDB takes a while to load, --help should not
    from consumers.file_import.purchase_files import Columns, open_purchases  # noqa: PLC0415

    latest_ms = int(time.time() * 1000) + _FORWARD_MS
    with open_purchases(file, Columns(**columns), latest_ms=latest_ms, progress=progress) as purchases:
        found = numbered(purchases)
    if not len(found.histories.products):
        raise NothingToJudge(f"{file} has no usable purchases; `alsobought import --dry-run` says why")
    return found.histories, found.keys


def _from_database(settings: Settings) -> tuple["Histories", list[str]]:
    from consumers.training.train_once import DATABASE  # noqa: PLC0415 - gensim takes a while to load
    from model.store.reader import read_contents  # noqa: PLC0415

    database = settings.data_dir / DATABASE
    contents = read_contents(database)
    if not len(contents.histories.products):
        raise NothingToJudge(f"{database} holds no purchases yet; name a FILE instead")
    return contents.histories, [product.key for product in contents.products]
