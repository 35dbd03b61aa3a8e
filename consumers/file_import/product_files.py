"""Products out of files: records for the catalogue topic, in the order of the file.

In: paths and which column holds what. Out: batches of (key, value), and up front how many there are. Promise: a row
that cannot be used is counted, with its reason; of a product that stands twice the later row wins, as on the topic.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from consumers.decoding.fields import MAX_ID_CHARACTERS
from consumers.file_import import cells, numbers
from consumers.file_import.arrangement import Asked, open_arranged
from consumers.file_import.parts import Reading, literal
from consumers.file_import.rejected_rows import LeftOut, leave_out_undecodable, rows_left_out, unfit_id
from consumers.file_import.remarks import ProductIds, product_ids
from consumers.file_import.tables import TableFile, quoted, run, scratch
from model.progress import Progress

_WITHDRAWN = "'true', 't', '1', 'yes', 'y', 'withdrawn', 'discontinued', 'out of stock', 'out_of_stock'"
_OFFERED = "'false', 'f', '0', 'no', 'n', 'in stock', 'in_stock', 'preorder', 'backorder', 'available', 'active'"

_CELLS = """CREATE TABLE cells AS WITH
 texts AS (SELECT {row} AS row, {product} AS product, {title} AS title, {category} AS category, {brand} AS brand,
  {price} AS price_dressed, lower({withdrawn}) AS withdrawn_text, alsobought_row FROM {source} AS alsobought_row),
 bared AS (SELECT *, {price_bare} AS price_text, CASE WHEN withdrawn_text IN ({yes}) THEN true
  WHEN withdrawn_text IN ({no}) THEN false END AS withdrawn FROM texts),
 validated AS (SELECT *, CASE WHEN product IS NULL THEN 'no product'
  WHEN {bad_product} THEN 'product id too long or with control characters'
  WHEN {scientific} THEN 'product id in scientific notation: a spreadsheet has cut its digits off, export it as text'
  WHEN {bad_brand} THEN 'brand id too long or with control characters'
  WHEN withdrawn_text IS NOT NULL AND withdrawn IS NULL THEN 'withdrawn is none of true, false, 1, 0, yes, no'
  END AS cells_reason FROM bared)
SELECT row, product, title, category, brand, withdrawn, price_text, price_dressed, cells_reason,
 CASE WHEN cells_reason IS NOT NULL OR NOT regexp_full_match(coalesce(price_text, '0'), '[0-9]{{1,9}}([.][0-9]+)?')
  THEN {content} END AS content FROM validated"""
_STAGE = """CREATE TABLE staged AS WITH
 read AS (SELECT *, {price} AS price FROM cells),
 validated AS (SELECT *, CASE WHEN cells_reason IS NOT NULL THEN cells_reason
  WHEN price < 0 THEN 'price below 0' WHEN price > 1e12 THEN 'price above 1e12' END AS reason FROM read)
SELECT row, product, title, category, brand, withdrawn, price, reason,
 CASE WHEN reason IS NOT NULL THEN content END AS content,
 CASE WHEN reason IS NULL AND price IS NULL THEN price_dressed END AS price_unread FROM validated"""
_IN_ORDER = "SELECT product, brand, title, category, price, withdrawn FROM staged WHERE reason IS NULL ORDER BY row"


@dataclass(frozen=True, slots=True)
class ProductColumns:
    """Which column holds what. All but `product` may be absent under the name given here."""

    product: str = "product_id"
    title: str | None = "title"
    category: str | None = "category"
    price: str | None = "price"
    brand: str | None = "brand_id"
    withdrawn: str | None = "withdrawn"


_MAY_LACK = ("title", "category", "price", "brand_id", "withdrawn")


class CatalogRecord(NamedTuple):
    """A record for the catalogue topic."""

    key: bytes
    value: bytes


class ProductFile:
    """A file that has been read and validated; `batches` gives its records."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, products: int, left_out: LeftOut, remarks: tuple[str, ...]
    ) -> None:
        self.products = products
        self.left_out = left_out
        self.no_price = numbers.prices_not_understood(connection)
        self.remarks = remarks  # how the file was read, and what is worth saying of it
        self._connection = connection

    @property
    def product_ids(self) -> ProductIds:
        """The products that are listed."""
        return product_ids(self._connection, "staged", "reason IS NULL")

    def batches(self, products: int = 1_000) -> Iterator[list[CatalogRecord]]:
        """Yield a record for each row that can be used."""
        found = self._connection.cursor().execute(_IN_ORDER)
        while rows := found.fetchmany(products):
            yield [_record(row) for row in rows]


@contextmanager
def open_products(
    path: Path | str | Sequence[Path | str],
    columns: ProductColumns | None = None,
    *,
    brand_id: str = "",
    reading: Reading | None = None,
    decimal: str | None = None,
    progress: Progress | None = None,
) -> Iterator[ProductFile]:
    """Read and validate a file; `brand_id` goes for rows that name no brand, `decimal` is the mark of fractions.

    Raises UnreadableFile.
    """
    reading = reading or Reading()
    with scratch(reading.memory_mb) as connection:
        usual = asdict(ProductColumns())
        asked = Asked(asdict(columns) if columns else usual, _MAY_LACK, "--products-column {}=NAME", usual)
        table, found = open_arranged(connection, path, asked, reading, progress)
        said = _stage(connection, table, found, brand_id, decimal, progress)
        leave_out_undecodable(connection, table)
        total = connection.execute("SELECT count(*) FROM staged WHERE reason IS NULL").fetchone()
        assert total is not None
        yield ProductFile(connection, total[0], rows_left_out(connection, table), (*table.remarks, *said))


def _stage(  # noqa: PLR0917 - each is one thing the user said
    connection: duckdb.DuckDBPyConnection,
    table: TableFile,
    columns: dict[str, str | None],
    brand_id: str,
    decimal: str | None,
    progress: Progress | None,
) -> tuple[str, ...]:
    run(connection, _cells(table, columns, brand_id), table.path, progress)
    column = columns["price"]
    typed = column is None or cells.is_numeric(table.types[column])
    (style,) = numbers.styles(connection, "cells", {"price_text": typed}, decimal)
    run(connection, _STAGE.format(price=numbers.number("price_text", style)), table.path)
    connection.execute("DROP TABLE cells")
    return (numbers.open_to_both("price", style),) if style.open_to_both else ()


def _cells(table: TableFile, columns: dict[str, str | None], brand_id: str) -> str:
    def cell(what: str) -> tuple[str | None, str]:
        name = columns[what]
        return (None, "VARCHAR") if name is None else (quoted(name), table.types[name])

    return _CELLS.format(
        row=table.row,
        product=cells.identity(*cell("product")),
        **{what: cells.text(*cell(what)) for what in ("title", "category", "price")},
        brand=f"coalesce({cells.identity(*cell('brand'))}, {literal(brand_id)})",
        withdrawn=cells.identity(*cell("withdrawn")),
        yes=_WITHDRAWN,
        no=_OFFERED,
        source=table.source,
        price_bare=numbers.bare("price_dressed"),
        bad_product=unfit_id("product", MAX_ID_CHARACTERS),
        bad_brand=unfit_id("brand", MAX_ID_CHARACTERS),
        scientific=f"coalesce({cells.is_scientific('product')}, false)",
        content=table.content(),
    )


def _record(row: tuple[Any, ...]) -> CatalogRecord:
    product, brand, title, category, price, withdrawn = row
    named = {
        "product_id": product,
        "brand_id": brand or None,
        "title": title,
        "category": category,
        "price": price,
        "withdrawn": withdrawn,
    }
    value = {name: given for name, given in named.items() if given is not None}
    return CatalogRecord(product.encode(), msgspec.json.encode(value))
