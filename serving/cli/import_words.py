"""What `alsobought import` says of a file and of what it sent, in words and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from consumers.file_import.earlier_imports import Compared
from consumers.file_import.file_lines import FileLines
from consumers.file_import.purchase_files import FileContents
from consumers.file_import.rejected_rows import LeftOut
from consumers.file_import.sender import ImportSummary

_NEARLY_ALL = 0.8


def of_where(reason: str) -> bool:
    """Whether the user left these rows out."""
    return reason.startswith("left out by --where")


def main_cause(left_out: LeftOut, used: int) -> Iterator[str]:
    """The one cause that nearly all rows share, where there is one; `used` rows can be used."""
    counts = {reason: count for reason, count in left_out.rows.items() if not of_where(reason)}
    total = sum(counts.values()) + used
    for reason, count in counts.items():
        if count >= _NEARLY_ALL * total:
            yield f"nearly all rows are lost for one cause: {count:,} of {total:,}: {reason}"


def lines_words(lines: FileLines) -> str:
    """What became of the lines of the file."""
    return (
        f"{lines.total:,} lines of the file: {lines.read:,} read, {lines.left_out:,} left out, "
        f"{lines.other:,} header or blank"
    )


def no_price_words(unread: int, examples: Sequence[tuple[int, str]]) -> str:
    """How many lines count without their price, with the first few."""
    shown = ", ".join(f"{text!r} (row {row})" for row, text in examples)
    said = f"{_number(unread, 'price')} not understood and left away, the rows count without: {shown}"
    if any("\ufffd" in text for _, text in examples):
        said += ". Their bytes are no text in the file's encoding: --encoding names another, such as windows-1252"
    return said


def compared_words(compared: Compared) -> Iterator[str]:
    """What an earlier import sent already, what is new, and what stays as it was sent first."""
    if compared.cut_off:
        yield "the topic no longer has its first records: orders that stood only there count as new"
    if compared.known:
        line = f"{compared.known:,} {'order was' if compared.known == 1 else 'orders were'} already there"
        if compared.extended:
            has = "has" if compared.extended == 1 else "have"
            line += f", {compared.extended:,} {has} {_number(compared.products, 'new product')}"
        yield line
    for count, what in ((compared.changed, "price or quantity"), (compared.other_time, "time")):
        if count:
            has = "order has" if count == 1 else "orders have"
            yield f"{count:,} {has} another {what} than was sent first: kept as first sent"


def contents_json(contents: FileContents) -> dict[str, Any]:
    """What a file of purchases holds."""
    return {
        "orders": contents.orders,
        "lines": contents.lines,
        "customers": contents.customers,
        "first": contents.first and contents.first.isoformat(),
        "last": contents.last and contents.last.isoformat(),
        **left_out_json(contents.left_out),
    }


def left_out_json(left_out: LeftOut) -> dict[str, Any]:
    """What was left out, by reason, and the first few."""
    return {
        "file_lines": asdict(left_out.lines),
        "left_out": left_out.rows,
        "examples": [row._asdict() for row in left_out.examples],
    }


def sent_json(summary: ImportSummary) -> dict[str, Any]:
    """What was sent."""
    return {
        "topic": summary.topic,
        "records": summary.records,
        "seconds": round(summary.seconds, 3),
        "lines_per_s": summary.lines_per_s,
    }


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
