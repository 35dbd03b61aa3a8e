"""What `alsobought import` says while it goes, and gathers for --json.

In: files that were read, what was sent. Out: lines on a console; `found`, which --json prints.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import click
from rich.console import Console

from consumers.file_import.product_files import CatalogRecord, ProductFile
from consumers.file_import.purchase_files import FileContents, PurchaseFile, PurchaseRecord
from consumers.file_import.rejected_rows import LeftOut
from consumers.file_import.sender import ImportSummary
from serving.cli.file_options import COLUMNS
from serving.cli.import_words import (
    compared_words,
    contents_json,
    left_out_json,
    lines_words,
    main_cause,
    no_price_words,
    of_where,
    sent_json,
)
from serving.reports.progress import say

_SHOWN = 3  # events of a dry run


class ImportReport:
    """One call of the command; `found` has what it did by `purchases` and `products`."""

    def __init__(self, console: Console) -> None:
        self.found: dict[str, Any] = {}
        self._console = console

    def purchases(self, path: str, contents: FileContents) -> None:
        """Say what files of purchases hold, called `path`. Raises ClickException if that is nothing to send."""
        self.say(f"{path}: {contents.orders:,} orders, {contents.lines:,} lines, {contents.customers:,} customers")
        if contents.first and contents.last:
            self.say(f"bought from {contents.first:%Y-%m-%d %H:%M} to {contents.last:%Y-%m-%d %H:%M} UTC")
        for name in contents.without:
            meaning = ": one order for each customer and time" if name == "order" else ""
            self.say(f"no column {COLUMNS[name][0]}{meaning} (--{name}-column names one)")
        self.found["purchases"] = {"file": path, **contents_json(contents)}
        self._faults("purchases", contents.lines, contents)
        _refuse_empty(path, contents.orders, contents.left_out)

    def products(self, path: str, file: ProductFile) -> None:
        """Say what a file of products holds. Raises ClickException if that is nothing to send."""
        self.say(f"{path}: {file.products:,} products")
        self.found["products"] = {"file": path, "products": file.products, **left_out_json(file.left_out)}
        self._faults("products", file.products, file)
        _refuse_empty(path, file.products, file.left_out)

    def remark(self, what: str, words: str) -> None:
        """Say what is worth saying of the `purchases` or `products`."""
        self.found[what]["remarks"].append(words)
        self.say(words, "bold yellow")

    def first_records(self, file: PurchaseFile | ProductFile) -> None:
        """Show the first events of a dry run."""
        self.say("nothing is sent, nor compared with what is there (--dry-run); the first records:")
        batches: Iterator[Sequence[PurchaseRecord | CatalogRecord]] = file.batches(_SHOWN)
        for batch in islice(batches, 1):
            for record in batch[:_SHOWN]:
                self.say(f"  {record.value.decode()}")

    def sent(self, what: str, summary: ImportSummary) -> None:
        """Say what was sent of the `purchases` or `products`, and what was there already."""
        self.found[what]["sent"] = sent_json(summary)
        if summary.compared:
            self.found[what]["already"] = asdict(summary.compared)
            for line in compared_words(summary.compared):
                self.say(line)
        self.say(
            f"sent {summary.records:,} records to {summary.topic} in {summary.seconds:.1f} s: "
            f"{summary.lines_per_s:,} {'lines' if what == 'purchases' else 'products'}/s"
        )

    def say(self, line: str, style: str = "") -> None:
        """Print a line."""
        say(self._console, line, style)

    def _faults(self, what: str, used: int, file: FileContents | ProductFile) -> None:
        """What was left out and why, and what is worth saying; what hits nearly all rows comes last, to be seen."""
        self.say(lines_words(file.left_out.lines))
        self._left_out(file.left_out)
        unread, examples = file.no_price
        self.found[what]["prices_not_understood"] = unread
        if unread:
            self.say(no_price_words(unread, examples), "yellow")
        self.found[what]["remarks"] = []
        for remark in (*file.remarks, *main_cause(file.left_out, used)):
            self.remark(what, remark)

    def _left_out(self, left_out: LeftOut) -> None:
        meant = {reason: count for reason, count in left_out.rows.items() if not of_where(reason)}
        for reason, count in left_out.rows.items():
            if of_where(reason):
                self.say(f"{count:,} rows {reason}")
        if meant:
            self.say(f"{sum(meant.values()):,} rows cannot be used and are left out:", "yellow")
        for reason, count in meant.items():
            self.say(f"  {count:,} x {reason}")
            for example in (each for each in left_out.examples if each.reason == reason):
                content = ", ".join(f"{column}={text or ''}" for column, text in example.content.items())
                where = f"{example.file}, " if example.file else ""
                self.say(f"    {where}row {example.row}: {content}", "dim")


def _refuse_empty(path: str, records: int, left_out: LeftOut) -> None:
    if not records:
        why = next(iter(left_out.rows.items()), None)
        cause = f": {why[1]:,} of {left_out.total:,} rows: {why[0]}" if why else ": it has no rows"
        raise click.ClickException(f"{path} holds nothing that can be sent{cause}")
