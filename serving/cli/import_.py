"""`alsobought import`: purchases and products out of files, sent to their topics.

In: files of purchases, or of products, and which column holds what. Out: what was sent and what was left out, as lines
or as JSON.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from consumers.file_import.listed_products import listed_products, ordered_lately
from consumers.file_import.product_files import ProductColumns, ProductFile, open_products
from consumers.file_import.purchase_files import PurchaseFile, open_purchases
from consumers.file_import.remarks import ProductIds, hardly_shared
from consumers.file_import.sender import import_products, import_purchases
from consumers.from_settings import clients_of, topic_names
from consumers.kafka.clients import BrokerUnavailable, KafkaClients
from consumers.kafka.topics import Topics
from serving.cli.file_options import columns_of, file_options, names_of, reading_of, times_of
from serving.cli.import_report import ImportReport
from serving.cli.options import command, settings_options
from serving.reports.progress import ProgressDisplay
from serving.runtime.logs import set_up_logging

Displays = Callable[[], ProgressDisplay]


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
    help="Column of the products file: product, title, category, price, brand or withdrawn (true, false, 1, 0, yes, "
    "no).  [default: product=product_id, …]",
)
@click.option(
    "--send-all", is_flag=True, help="Send all orders, also what is there already; the topic of purchases is not read."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Read and validate the files, show the first events; ask Kafka nothing, send nothing.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object at the end; progress goes to standard error."
)
@settings_options("purchases_topic", "catalog_topic", "create_topics", "max_future_s", "earliest_purchase_year")
def import_(
    files: tuple[Path, ...],
    *,
    products: Path | None,
    products_columns: ProductColumns,
    settings: Settings,
    as_json: bool,
    **options: Any,
) -> None:
    """Send the purchases in FILE to Kafka: one event an order, in time order.

    CSV, JSON lines, Parquet and spreadsheets are read, also packed (.gz .bz2 .xz .zst .zip), by their contents.
    Importing a file again sends what is new: orders that are not on the topic, products that were added to an order;
    what was sent first stays. Rows that cannot be used are counted and shown.
    """
    if not files and products is None:
        raise click.UsageError("name a FILE of purchases, or --products FILE, or both")
    set_up_logging(settings.log_format, settings.log_level)
    console = Console(stderr=as_json, highlight=False)
    report = ImportReport(console)
    run = _Import(settings, report, lambda: ProgressDisplay(console), options)
    if products:
        run.products(products, products_columns)
        if not files:
            run.compare_with_orders()
    if files:
        run.purchases(files)
    if as_json:
        click.echo(json.dumps(report.found, indent=2, default=str))


class _Import:
    """One call of the command."""

    def __init__(self, settings: Settings, report: ImportReport, display: Displays, options: dict[str, Any]) -> None:
        self._settings = settings
        self._report = report
        self._display = display
        self._options = options
        self._listed: ProductIds | None = None  # by the products file of this call
        self._listed_in = ""
        self._understood = {
            "brand_id": options["brand_id"],
            "decimal": options["decimal"],
            "reading": reading_of(options),
        }

    def products(self, path: Path, columns: ProductColumns) -> None:
        """Send a products file to the catalogue."""
        if self._options["no_price"]:
            columns = replace(columns, price=None)
        with (
            self._display() as display,
            open_products(path, columns, **self._understood, progress=display.show) as file,
        ):
            display.close()
            self._report.products(str(path), file)
            self._listed, self._listed_in = file.product_ids, str(path)
            self._send("products", file, display)

    def purchases(self, files: tuple[Path, ...]) -> None:
        """Send files of purchases, as if they were one."""
        with (
            self._display() as display,
            open_purchases(
                files,
                columns_of(self._options),
                **times_of(self._settings),
                **self._understood,
                where=self._options["where"],
                progress=display.show,
            ) as file,
        ):
            display.close()
            self._report.purchases(names_of(files), file.contents)
            self._compare_products(file, display)
            self._send("purchases", file, display)

    def compare_with_orders(self) -> None:
        """Say when a products file that comes alone hardly lists what was ordered lately."""
        with self._display() as display:
            ordered = self._on_topic(ordered_lately, self._settings.purchases_topic, display)
        if said := ordered and self._listed and hardly_shared(ordered, self._listed, self._listed_in):
            self._report.remark("products", said)

    def _compare_products(self, file: PurchaseFile, display: ProgressDisplay) -> None:
        """Say when the products that were ordered are hardly those of the products file, or else of the catalogue."""
        listed, where = self._listed, self._listed_in
        if listed is None:
            topic = self._settings.catalog_topic
            listed, where = self._on_topic(listed_products, topic, display), f"the catalogue (topic {topic})"
        if said := listed and hardly_shared(file.product_ids, listed, where):
            self._report.remark("purchases", said)

    def _on_topic(self, read: Callable[..., ProductIds], topic: str, display: ProgressDisplay) -> ProductIds | None:
        """The products on a topic; None where it is not there or can not be read: it is a courtesy."""
        if self._options["dry_run"]:
            return None
        clients = self._clients()
        try:
            there = topic in Topics(clients, topic_names(self._settings)).partition_counts()
            return read(clients, topic, display.show) if there else None
        except BrokerUnavailable as error:
            self._report.say(f"whether products and orders share ids could not be seen: {error}", "yellow")
            return None
        finally:
            display.close()

    def _send(self, what: str, file: PurchaseFile | ProductFile, display: ProgressDisplay) -> None:
        if self._options["dry_run"]:
            self._report.first_records(file)
            return
        settings, clients = self._settings, self._clients()
        topic = settings.purchases_topic if what == "purchases" else settings.catalog_topic
        _make_sure_of(topic, clients, settings)
        if isinstance(file, PurchaseFile):
            summary = import_purchases(clients, topic, file, display.show, send_all=self._options["send_all"])
        else:
            summary = import_products(clients, topic, file, display.show)
        display.close()
        self._report.sent(what, summary)

    def _clients(self) -> KafkaClients:
        return clients_of(self._settings)


def _make_sure_of(topic: str, clients: KafkaClients, settings: Settings) -> None:
    """Create the topics if this one is missing and we may, as the service would."""
    topics = Topics(clients, topic_names(settings))
    if topic not in topics.partition_counts():
        topics.ensure(
            create=settings.create_topics,
            partitions=settings.partitions,
            replication_factor=settings.replication_factor,
        )
