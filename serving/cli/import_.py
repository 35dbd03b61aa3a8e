"""`alsobought import`: purchases and products out of files, sent to their topics.

In: a CSV or Parquet file and which column holds what. Out: what was sent and what was left out, as lines or as JSON.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from consumers.file_import.product_files import CatalogRecord, ProductColumns, ProductFile, open_products
from consumers.file_import.purchase_files import Columns, Contents, Event, PurchaseFile, open_purchases
from consumers.file_import.rejected_rows import LeftOut
from consumers.file_import.sender import ImportSummary, import_products, import_purchases
from consumers.file_import.tables import Reading
from consumers.kafka.clients import KafkaClients
from consumers.kafka.topics import TopicNames, Topics
from serving.cli.options import command, settings_options
from serving.reports.progress import ProgressDisplay, say
from serving.runtime.logs import set_up_logging

_SHOWN = 3  # events of a dry run
_COLUMNS: dict[str, tuple[str | None, str]] = {
    "customer": ("customer_id", "who bought"),
    "product": ("product_id", "what was bought"),
    "time": (
        "ts",
        "when: a timestamp, ISO 8601 text, or seconds or milliseconds since 1970; UTC where it names no zone",
    ),
    "order": ("order_id", "the order's id; a file without one has an order for each customer and time"),
    "quantity": ("quantity", "how many; may be absent"),
    "price": ("price", "the price of one; may be absent"),
    "brand": (None, "the brand; rows without one belong to --brand-id"),
}


def _column_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, (usual, words) in reversed(_COLUMNS.items()):
        help_text = f"Column that says {words}."
        option = click.option(f"--{name}-column", default=usual, show_default=True, metavar="NAME", help=help_text)
        function = option(function)
    return function


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
@click.argument("file", type=click.Path(path_type=Path), required=False, help="Purchases, with a header line if CSV.")
@_column_options
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
@click.option("--brand-id", default="", metavar="TEXT", help="Brand of rows that name none.")
@click.option("--time-format", metavar="FORMAT", help="How times are written, such as '%m/%d/%Y %H:%M'.")
@click.option("--delimiter", metavar="TEXT", help="What separates columns of a CSV.  [default: found out]")
@click.option("--encoding", type=click.Choice(["utf-8", "latin-1", "utf-16"]), default="utf-8", show_default=True)
@click.option("--memory-mb", type=click.IntRange(64), default=512, show_default=True, help="Memory for sorting.")
@click.option("--dry-run", is_flag=True, help="Read and judge the files, show the first events, send nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object at the end; progress goes to standard error."
)
@settings_options("purchases_topic", "catalog_topic", "create_topics", "max_future_s")
def import_(
    file: Path | None,
    *,
    products: Path | None,
    products_columns: ProductColumns,
    settings: Settings,
    as_json: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Send the purchases of FILE, CSV (also .gz) or Parquet, to Kafka: one event an order, in time order.

    Importing the same file again repeats the same event ids. Rows that cannot be used are counted and shown.
    """
    if file is None and products is None:
        raise click.UsageError("name a FILE of purchases, or --products FILE, or both")
    set_up_logging(settings.log_format, settings.log_level)
    console = Console(stderr=as_json, highlight=False)
    run = _Import(settings, console, options, dry_run=dry_run)
    if products:
        run.products(products, products_columns)
    if file:
        run.purchases(file)
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
        self._reading = Reading(
            options["delimiter"], options["encoding"], options["time_format"], memory_mb=options["memory_mb"]
        )

    def products(self, path: Path, columns: ProductColumns) -> None:
        """Send a products file to the catalogue."""
        brand_id = self._options["brand_id"]
        with (
            ProgressDisplay(self._console) as display,
            open_products(path, columns, brand_id=brand_id, reading=self._reading, progress=display.show) as file,
        ):
            display.close()
            self._say(f"{path}: {file.products:,} products")
            self._show_left_out(file.left_out)
            self.report["products"] = {"file": str(path), "products": file.products, **_left_out(file.left_out)}
            self._refuse_empty(path, file.products)
            self._send("products", file, display)

    def purchases(self, path: Path) -> None:
        """Send a purchases file."""
        columns = Columns(**{name: self._options[f"{name}_column"] for name in _COLUMNS})
        latest_ms = round((time.time() + self._settings.max_future_s) * 1000)
        with (
            ProgressDisplay(self._console) as display,
            open_purchases(
                path,
                columns,
                latest_ms=latest_ms,
                brand_id=self._options["brand_id"],
                reading=self._reading,
                progress=display.show,
            ) as file,
        ):
            display.close()
            self._show_contents(path, file.contents)
            self.report["purchases"] = {"file": str(path), **_contents(file.contents)}
            self._refuse_empty(path, file.contents.orders)
            self._send("purchases", file, display)

    def _send(self, what: str, file: PurchaseFile | ProductFile, display: ProgressDisplay) -> None:
        if self._dry_run:
            self._show_first(file)
            return
        settings = self._settings
        clients = KafkaClients(settings.bootstrap_servers, settings.kafka_properties, settings.compression)
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

    def _show_contents(self, path: Path, contents: Contents) -> None:
        self._say(f"{path}: {contents.orders:,} orders, {contents.lines:,} lines, {contents.customers:,} customers")
        if contents.first and contents.last:
            self._say(f"bought from {contents.first:%Y-%m-%d %H:%M} to {contents.last:%Y-%m-%d %H:%M} UTC")
        for name in contents.without:
            meaning = ": one order for each customer and time" if name == "order" else ""
            self._say(f"no column {_COLUMNS[name][0]}{meaning} (--{name}-column names one)")
        self._show_left_out(contents.left_out)

    def _show_left_out(self, left_out: LeftOut) -> None:
        if left_out.total:
            self._say(f"{left_out.total:,} rows cannot be used and are left out:", "yellow")
        for reason, count in left_out.rows.items():
            self._say(f"  {count:,} x {reason}")
            for example in (each for each in left_out.examples if each.reason == reason):
                content = ", ".join(f"{column}={text or ''}" for column, text in example.content.items())
                self._say(f"    row {example.row}: {content}", "dim")

    def _show_first(self, file: PurchaseFile | ProductFile) -> None:
        self._say("nothing is sent (--dry-run); the first records:")
        batches: Iterator[Sequence[Event | CatalogRecord]] = file.batches(_SHOWN)
        for batch in islice(batches, 1):
            for record in batch[:_SHOWN]:
                self._say(f"  {record.value.decode()}")

    def _refuse_empty(self, path: Path, records: int) -> None:
        if not records:
            raise click.ClickException(f"{path} holds nothing that can be sent")

    def _say(self, line: str, style: str = "") -> None:
        say(self._console, line, style)


def _make_sure_of(topic: str, clients: KafkaClients, settings: Settings) -> None:
    """Create the topics if this one is missing and we may, as the service would."""
    names = TopicNames(
        purchases=settings.purchases_topic,
        catalog=settings.catalog_topic,
        requests=settings.requests_topic,
        replies=settings.replies_topic,
        models=settings.models_topic,
        dead_letters=settings.dead_letters_topic,
    )
    topics = Topics(clients, names)
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
    return {"left_out": left_out.rows, "examples": [row._asdict() for row in left_out.examples]}


def _sent(summary: ImportSummary) -> dict[str, Any]:
    return {
        "topic": summary.topic,
        "records": summary.records,
        "seconds": round(summary.seconds, 3),
        "lines_per_s": summary.lines_per_s,
    }
