"""Products out of a CSV or Parquet file: records for the catalogue topic, in the order of the file.

In: a path and which column holds what. Out: batches of (key, value), and up front how many there are. Promise: a row
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
from consumers.file_import.arrangement import Asked, open_arranged
from consumers.file_import.rejected_rows import LeftOut, leave_out_undecodable, rows_left_out, unfit_id
from consumers.file_import.tables import Progress, Reading, TableFile, literal, run, scratch

_REASON = """CASE WHEN product IS NULL THEN 'no product'
 WHEN {bad_product} THEN 'product id too long or with control characters'
 WHEN {bad_brand} THEN 'brand id too long or with control characters'
 WHEN price_text IS NOT NULL AND (price IS NULL OR NOT isfinite(price)) THEN 'price is not a number'
 WHEN price < 0 THEN 'price below 0' WHEN price > 1e12 THEN 'price above 1e12' END"""
_STAGE = """CREATE TABLE staged AS WITH
 texts AS (SELECT {row} AS row, {product} AS product, {title} AS title, {category} AS category, {brand} AS brand,
  {price} AS price_text, alsobought_row FROM {source} AS alsobought_row),
 judged AS (SELECT *, try_cast(price_text AS DOUBLE) AS price, {reason} AS reason FROM texts)
SELECT row, product, trim(title) AS title, trim(category) AS category, brand, price, reason,
 CASE WHEN reason IS NOT NULL THEN {content} END AS content FROM judged"""
_IN_ORDER = "SELECT product, brand, title, category, price FROM staged WHERE reason IS NULL ORDER BY row"


@dataclass(frozen=True, slots=True)
class ProductColumns:
    """Which column holds what. All but `product` may be absent under the name given here."""

    product: str = "product_id"
    title: str | None = "title"
    category: str | None = "category"
    price: str | None = "price"
    brand: str | None = "brand_id"


_MAY_LACK = ("title", "category", "price", "brand_id")


class CatalogRecord(NamedTuple):
    """A record for the catalogue topic."""

    key: bytes
    value: bytes


class ProductFile:
    """A file that has been read and judged; `batches` gives its records."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, products: int, left_out: LeftOut, notes: tuple[str, ...] = ()
    ) -> None:
        self.products = products
        self.notes = notes  # what to say of how the file was read
        self.left_out = left_out
        self._connection = connection

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
    progress: Progress | None = None,
) -> Iterator[ProductFile]:
    """Read and judge a file; `brand_id` goes for rows that name no brand. Raises UnreadableFile."""
    reading = reading or Reading()
    with scratch(reading.memory_mb) as connection:
        usual = asdict(ProductColumns())
        asked = Asked(asdict(columns) if columns else usual, _MAY_LACK, "--products-column {}=NAME", usual)
        table, found = open_arranged(connection, path, asked, reading, progress)
        run(connection, _stage(table, found, brand_id), table.path, progress)
        leave_out_undecodable(connection, table)
        total = connection.execute("SELECT count(*) FROM staged WHERE reason IS NULL").fetchone()
        assert total is not None
        yield ProductFile(connection, total[0], rows_left_out(connection, table), table.notes)


def _stage(table: TableFile, columns: dict[str, str | None], brand_id: str) -> str:
    return _STAGE.format(
        row=table.row,
        product=table.text(columns["product"]),
        title=table.text(columns["title"]),
        category=table.text(columns["category"]),
        brand=f"coalesce({table.text(columns['brand'])}, {literal(brand_id)})",
        price=table.text(columns["price"]),
        source=table.source,
        reason=_REASON.format(
            bad_product=unfit_id("product", MAX_ID_CHARACTERS), bad_brand=unfit_id("brand", MAX_ID_CHARACTERS)
        ),
        content=table.content(),
    )


def _record(row: tuple[Any, ...]) -> CatalogRecord:
    product, brand, title, category, price = row
    named = {"product_id": product, "brand_id": brand or None, "title": title, "category": category, "price": price}
    value = {name: given for name, given in named.items() if given is not None}
    return CatalogRecord(product.encode(), msgspec.json.encode(value))
