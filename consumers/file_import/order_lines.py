"""The rows of a purchases file as lines of orders: every cell read for what it means, every row validated.

In: a table and which column holds what. Out: the scratch database's table `staged`, one row for each of the file, with
the reason why it cannot be used or NULL. Promise: how numbers are written is decided from the whole column.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from consumers.decoding.fields import MAX_ID_CHARACTERS
from consumers.file_import import cells, numbers, times
from consumers.file_import.conditions import Condition, not_meant
from consumers.file_import.parts import literal
from consumers.file_import.rejected_rows import unfit_id
from consumers.file_import.tables import TableFile, quoted, run
from model.progress import Progress

_UNFIT = "too long or with control characters"
_SPREADSHEET = "in scientific notation: a spreadsheet has cut its digits off, export the column as text"

_DRESSED = "{quantity} AS quantity_dressed, {price} AS price_dressed"
_WRITTEN = """CREATE OR REPLACE TEMP TABLE written AS
SELECT {quantity_bare} AS quantity_text, {price_bare} AS price_text, times FROM
 (SELECT {dressed}, count(*) AS times FROM {source} AS alsobought_row GROUP BY ALL)"""

# What is wrong with a row, the first that applies; the words are what the user reads.
_REASON = """CASE WHEN not_meant IS NOT NULL THEN not_meant
 WHEN customer IS NULL THEN 'no customer' WHEN {bad_customer} THEN 'customer id {unfit}'
 WHEN {scientific_customer} THEN 'customer id {spreadsheet}'
 WHEN product IS NULL THEN 'no product' WHEN {bad_product} THEN 'product id {unfit}'
 WHEN {scientific_product} THEN 'product id {spreadsheet}'
 WHEN {scientific_order} THEN 'order id {spreadsheet}'
 WHEN {bad_brand} THEN 'brand id {unfit}' ELSE coalesce({time_reason}, CASE
  WHEN quantity_text IS NOT NULL AND quantity IS NULL AND {quantity_open} AND regexp_full_match(quantity_text, {either})
   THEN 'quantity can be read in two ways: --decimal says which mark begins the fraction'
  WHEN quantity_text IS NOT NULL AND (quantity IS NULL OR NOT isfinite(quantity)) THEN 'quantity is not a number'
  WHEN quantity < 0 THEN 'a return: quantity below 0' WHEN quantity = 0 THEN 'quantity not above 0'
  WHEN price < 0 THEN 'price below 0' WHEN price > 1e12 THEN 'price above 1e12' END) END"""

_STAGE = """CREATE TABLE staged AS WITH
 texts AS (SELECT {row} AS row, {customer} AS customer, {order} AS order_id, {product} AS product, {brand} AS brand,
  {time_text} AS time_text, {clock_text} AS clock_text, {dressed}, {not_meant} AS not_meant, alsobought_row
  FROM {source} AS alsobought_row),
 bared AS (SELECT *, {time_ms} AS time_ms, {quantity_bare} AS quantity_text, {price_bare} AS price_text FROM texts),
 read AS (SELECT *, {quantity_number} AS quantity, {price_number} AS price FROM bared),
 validated AS (SELECT *, {reason} AS reason FROM read)
SELECT row, customer, order_id, product, brand, time_ms, quantity, price, reason,
 coalesce('o' || order_id, 't' || time_ms) AS basket, CASE WHEN reason IS NOT NULL THEN {content} END AS content,
 CASE WHEN reason IS NULL AND price IS NULL THEN price_dressed END AS price_unread
FROM validated"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How a purchases file is to be understood."""

    columns: dict[str, str | None]  # what -> the column's name in the file
    time_format: str | None
    earliest_ms: int
    latest_ms: int
    brand_id: str  # of rows that name none
    where: Sequence[Condition] = ()
    decimal: str | None = None


def stage(
    connection: duckdb.DuckDBPyConnection, table: TableFile, task: Task, progress: Progress | None = None
) -> tuple[str, ...]:
    """Make the table `staged`; returns what is worth saying of how numbers were read.

    Raises UnreadableFile and UnfitTimeFormat.
    """
    times.check_format(connection, task.time_format)
    quantity, price = _styles(connection, table, task)
    run(connection, _staged(table, task, quantity, price), table.path, progress)
    styles = {"quantity": quantity, "price": price}
    return tuple(numbers.open_to_both(what, style) for what, style in styles.items() if style.open_to_both)


def _styles(connection: duckdb.DuckDBPyConnection, table: TableFile, task: Task) -> list[numbers.Style]:
    """How the file writes quantities and prices: a look at these two columns before all of them are read."""
    named = {f"{what}_text": task.columns[what] for what in ("quantity", "price")}
    typed = {name: column is None or cells.is_numeric(table.types[column]) for name, column in named.items()}
    if task.decimal is None and not all(typed.values()):
        run(connection, _WRITTEN.format(**_numbers(table, task), source=table.source), table.path)
    return numbers.styles(connection, "written", typed, task.decimal, times="sum(times)")


def _numbers(table: TableFile, task: Task) -> dict[str, str]:
    quantity, price = (cells.text(*_cell(table, task, what)) for what in ("quantity", "price"))
    return {
        "dressed": _DRESSED.format(quantity=quantity, price=price),
        "quantity_bare": numbers.bare("quantity_dressed"),
        "price_bare": numbers.bare("price_dressed"),
    }


def _cell(table: TableFile, task: Task, what: str) -> tuple[str | None, str]:
    name = task.columns[what]
    return (None, "VARCHAR") if name is None else (quoted(name), table.types[name])


def _staged(table: TableFile, task: Task, quantity: numbers.Style, price: numbers.Style) -> str:
    time, clock = (_cell(table, task, what) for what in ("time", "clock"))
    clock_kind = None if clock[0] is None else clock[1]
    written = times.times(time[1], clock_kind, task.time_format, task.latest_ms, task.earliest_ms)
    return _STAGE.format(
        row=table.row,
        **{what: cells.identity(*_cell(table, task, what)) for what in ("customer", "order", "product")},
        brand=f"coalesce({cells.identity(*_cell(table, task, 'brand'))}, {literal(task.brand_id)})",
        time_text=times.time_text(str(time[0]), time[1]),
        clock_text=times.clock_text(*clock),
        time_ms=written.ms,
        **_numbers(table, task),
        quantity_number=numbers.number("quantity_text", quantity),
        price_number=numbers.number("price_text", price),
        not_meant=not_meant(table, task.where),
        source=table.source,
        reason=_reason(written.reason, quantity),
        content=table.content(),
    )


def _reason(time_reason: str, quantity: numbers.Style) -> str:
    names = {"customer": "customer", "product": "product", "order": "order_id"}
    return _REASON.format(
        **{f"bad_{name}": unfit_id(name, MAX_ID_CHARACTERS) for name in ("customer", "product", "brand")},
        **{f"scientific_{what}": f"coalesce({cells.is_scientific(name)}, false)" for what, name in names.items()},
        unfit=_UNFIT,
        spreadsheet=_SPREADSHEET,
        time_reason=time_reason,
        quantity_open="true" if quantity.open_to_both else "false",
        either=literal(numbers.EITHER),
    )
