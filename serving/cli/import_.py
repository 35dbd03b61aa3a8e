"""`alsobought import`: purchases and products out of files, sent to their topics.

In: files of purchases, or of products, and which column holds what. Out: what was sent and what was left out, as lines
or as JSON.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from consumers.file_import.product_files import CatalogRecord, ProductColumns, ProductFile, open_products
from consumers.file_import.purchase_files import Contents, Event, PurchaseFile, open_purchases
from consumers.file_import.rejected_rows import LeftOut
from consumers.file_import.sender import ImportSummary, import_products, import_purchases
from consumers.from_settings import clients_of, topic_names
from consumers.kafka.clients import KafkaClients
from consumers.kafka.topics import Topics
from serving.cli.file_options import COLUMNS, columns_of, file_options, names_of, reading_of
from serving.cli.options import command, settings_options
from serving.reports.progress import ProgressDisplay, say
from serving.runtime.logs import set_up_logging

_SHOWN = 3  # events of a dry run


def _products_columns(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> ProductColumns:
    names = {}
    for pair in given:
        what, equals, name = pair.partition("=")
        if not equals or what not in ProductColumns.__dataclass_fields__:
            allowed = ", ".join(ProductColumns.__dataclass_fields__)
            raise click.BadParameter(f"{pair!r} is not WHAT=NAME, with WHAT one of {allowed}")
        names[what] = name
    return ProductColumns(**names)


@command(
    "import",
    example="""
    alsobought import orders.parquet --products products.csv
    alsobought import orders.csv.gz --customer-column CustomerID --order-column InvoiceNo --dry-run
    """,
)
@file_options
@click.option(
    "--products", type=click.Path(path_type=Path), metavar="FILE", help="Products for the catalogue, sent first."
)
@click.option(
    "--products-column",
    "products_columns",
    multiple=True,
    callback=_products_columns,
    metavar="WHAT=NAME",
    help="Column of the products file: product, title, category, price or brand.  [default: product=product_id, …]",
)
@click.option("--dry-run", is_flag=True, help="Read and judge the files, show the first events, send nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object at the end; progress goes to standard error."
)
@settings_options("purchases_topic", "catalog_topic", "create_topics", "max_future_s")
def import_(
    files: tuple[Path, ...],
    *,
    products: Path | None,
    products_columns: ProductColumns,
    settings: Settings,
    as_json: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Send the purchases in FILE to Kafka: one event an order, in time order.

    CSV, JSON lines, Parquet and spreadsheets are read, also packed (.gz .bz2 .xz .zst .zip), by their contents.
    Importing the same file again repeats the same event ids. Rows that cannot be used are counted and shown.
    """
    if not files and products is None:
        raise click.UsageError("name a FILE of purchases, or --products FILE, or both")
    set_up_logging(settings.log_format, settings.log_level)
    console = Console(stderr=as_json, highlight=False)
    run = _Import(settings, console, options, dry_run=dry_run)
    if products:
        run.products(products, products_columns)
    if files:
        run.purchases(files)
    if as_json:
        click.echo(json.dumps(run.report, indent=2, default=str))


class _Import:
    """One call of the command; what it did stands in `report`."""

    def __init__(self, settings: Settings, console: Console, options: dict[str, Any], *, dry_run: bool) -> None:
        self.report: dict[str, Any] = {}
        self._settings = settings
        self._console = console
        self._options = options
        self._dry_run = dry_run
        self._reading = reading_of(options)

    def products(self, path: Path, columns: ProductColumns) -> None:
        """Send a products file to the catalogue."""
        brand_id = self._options["brand_id"]
        with (
            ProgressDisplay(self._console) as display,
            open_products(path, columns, brand_id=brand_id, reading=self._reading, progress=display.show) as file,
        ):
            display.close()
            self._say(f"{path}: {file.products:,} products")
            self._show_notes(file.notes)
            self._show_left_out(file.left_out)
            self.report["products"] = {"file": str(path), "products": file.products, **_left_out(file.left_out)}
            self._refuse_empty(path, file.products)
            self._send("products", file, display)

    def purchases(self, files: tuple[Path, ...]) -> None:
        """Send files of purchases, as if they were one."""
        path = names_of(files)
        latest_ms = round((time.time() + self._settings.max_future_s) * 1000)
        with (
            ProgressDisplay(self._console) as display,
            open_purchases(
                files,
                columns_of(self._options),
                latest_ms=latest_ms,
                brand_id=self._options["brand_id"],
                reading=self._reading,
                progress=display.show,
            ) as file,
        ):
            display.close()
            self._show_notes(file.notes)
            self._show_contents(path, file.contents)
            self.report["purchases"] = {"file": path, "notes": file.notes, **_contents(file.contents)}
            self._refuse_empty(path, file.contents.orders)
            self._send("purchases", file, display)

    def _send(self, what: str, file: PurchaseFile | ProductFile, display: ProgressDisplay) -> None:
        if self._dry_run:
            self._show_first(file)
            return
        settings = self._settings
        clients = clients_of(settings)
        topic = settings.purchases_topic if what == "purchases" else settings.catalog_topic
        _make_sure_of(topic, clients, settings)
        if isinstance(file, PurchaseFile):
            summary = import_purchases(clients, topic, file, display.show)
        else:
            summary = import_products(clients, topic, file, display.show)
        display.close()
        self.report[what]["sent"] = _sent(summary)
        self._say(
            f"sent {summary.records:,} records to {summary.topic} in {summary.seconds:.1f} s: "
            f"{summary.lines_per_s:,} {'lines' if what == 'purchases' else 'products'}/s"
        )

    def _show_contents(self, path: str, contents: Contents) -> None:
        self._say(f"{path}: {contents.orders:,} orders, {contents.lines:,} lines, {contents.customers:,} customers")
        if contents.first and contents.last:
            self._say(f"bought from {contents.first:%Y-%m-%d %H:%M} to {contents.last:%Y-%m-%d %H:%M} UTC")
        for name in contents.without:
            meaning = ": one order for each customer and time" if name == "order" else ""
            self._say(f"no column {COLUMNS[name][0]}{meaning} (--{name}-column names one)")
        self._show_left_out(contents.left_out)

    def _show_notes(self, notes: Sequence[str]) -> None:
        for note in notes:
            self._say(note)

    def _show_left_out(self, left_out: LeftOut) -> None:
        lines = left_out.lines
        self._say(
            f"{lines.total:,} lines of the file: {lines.read:,} read, {lines.left_out:,} left out, "
            f"{lines.other:,} header or blank"
        )
        if left_out.total:
            self._say(f"{left_out.total:,} rows cannot be used and are left out:", "yellow")
        for reason, count in left_out.rows.items():
            self._say(f"  {count:,} x {reason}")
            for example in (each for each in left_out.examples if each.reason == reason):
                content = ", ".join(f"{column}={text or ''}" for column, text in example.content.items())
                where = f"{example.file}, " if example.file else ""
                self._say(f"    {where}row {example.row}: {content}", "dim")

    def _show_first(self, file: PurchaseFile | ProductFile) -> None:
        self._say("nothing is sent (--dry-run); the first records:")
        batches: Iterator[Sequence[Event | CatalogRecord]] = file.batches(_SHOWN)
        for batch in islice(batches, 1):
            for record in batch[:_SHOWN]:
                self._say(f"  {record.value.decode()}")

    def _refuse_empty(self, path: Path | str, records: int) -> None:
        if not records:
            raise click.ClickException(f"{path} holds nothing that can be sent")

    def _say(self, line: str, style: str = "") -> None:
        say(self._console, line, style)


def _make_sure_of(topic: str, clients: KafkaClients, settings: Settings) -> None:
    """Create the topics if this one is missing and we may, as the service would."""
    topics = Topics(clients, topic_names(settings))
    if topic not in topics.partition_counts():
        topics.ensure(
            create=settings.create_topics,
            partitions=settings.partitions,
            replication_factor=settings.replication_factor,
        )


def _contents(contents: Contents) -> dict[str, Any]:
    return {
        "orders": contents.orders,
        "lines": contents.lines,
        "customers": contents.customers,
        "first": contents.first and contents.first.isoformat(),
        "last": contents.last and contents.last.isoformat(),
        **_left_out(contents.left_out),
    }


def _left_out(left_out: LeftOut) -> dict[str, Any]:
    return {
        "file_lines": asdict(left_out.lines),
        "left_out": left_out.rows,
        "examples": [row._asdict() for row in left_out.examples],
    }


def _sent(summary: ImportSummary) -> dict[str, Any]:
    return {
        "topic": summary.topic,
        "records": summary.records,
        "seconds": round(summary.seconds, 3),
        "lines_per_s": summary.lines_per_s,
    }
