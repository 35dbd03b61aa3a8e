"""What `alsobought evaluate` shows: tables on a terminal, the same as JSON, and as a page with plots.

In: the tables of `model.evaluation.comparison` and the steps of `model.evaluation.replay`. Promise: the page is one
file that needs no other.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from rich.table import Table as RichTable

from model.evaluation.comparison import Row, Table
from model.evaluation.replay import Step, Summary
from model.offline.measures import MEASURES, Interval, difference, interval
from serving.reports.evaluation_examples import examples_of, explained

_COLUMNS = ("HR", "recall", "NDCG", "MRR", "coverage", "popularity")
_FIELDS = (*MEASURES, "coverage", "popularity")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}tr.ours{background:#eef6ee}svg{max-width:100%;height:auto}"
    "dt{font-weight:600;margin-top:.4rem}dd{margin:0 0 0 1rem}ul.found{font-size:1.1rem}mark{background:#b9e4bd}"
    "table.lists td,table.lists th{text-align:left;vertical-align:top}figure{margin:1.5rem 0}.wide{overflow-x:auto}"
)


def title(table: Table, k: int) -> str:
    """A table's heading."""
    which = "the newest window" if table.window == 0 else f"{table.window} before the newest window"
    return (
        f"{which}: {table.customers:,} customers tested ({table.unknown_customers:,} unknown), {table.bought_each:.1f} "
        f"products each, of {table.products:,}; k = {k}"
    )


def terminal_table(table: Table, k: int) -> RichTable:
    """The table as rich draws it; the interval is that of our NDCG less the row's, paired by customer."""
    drawn = RichTable(title=title(table, k), title_justify="left")
    drawn.add_column("model")
    for column in (*_COLUMNS, "ours - its NDCG", "seconds"):
        drawn.add_column(column, justify="right")
    for cells in _cells(table):
        drawn.add_row(*cells, style="bold" if cells[0].startswith("alsobought") else None)
    return drawn


def terminal_replay(summaries: Sequence[Summary]) -> RichTable:
    """The replay as rich draws it."""
    drawn = RichTable(title="replay: each slice tests the models before it", title_justify="left")
    for column in _REPLAY_COLUMNS:
        drawn.add_column(column, justify="left" if column == "schedule" else "right")
    for cells in _replay_cells(summaries):
        drawn.add_row(*cells)
    return drawn


def as_json(tables: Sequence[Table], steps: Sequence[Step], summaries: Sequence[Summary]) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "windows": [_window(table) for table in tables],
        "replay": [
            {
                "schedule": step.schedule,
                "slice": step.slice,
                "kind": step.kind,
                "seconds": step.seconds,
                "vocabulary": step.vocabulary,
                **step.judged.means(),
            }
            for step in steps
        ],
        "replay_summary": [
            {name: getattr(summary, name) for name in Summary.__dataclass_fields__} for summary in summaries
        ],
    }


def page(
    heading: str,
    tables: Sequence[Table],
    summaries: Sequence[Summary],
    plots: Sequence[tuple[str, str]],
    k: int,
    *,
    words: Sequence[str],
    name: Callable[[int], str],
) -> str:
    """One HTML page. `plots`: pairs of a caption and an SVG element; `words`: what was found, `name`: of a product."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(heading)}</title>"]
    parts += [f"<style>{_STYLE}</style><h1>{escape(heading)}</h1>"]
    parts.append(f"<ul class=found>{''.join(f'<li>{escape(sentence)}</li>' for sentence in words)}</ul>")
    for table in tables:
        parts += [
            f"<h2>{escape(title(table, k))}</h2>",
            _html(("model", *_COLUMNS, "ours - its NDCG", "seconds"), _cells(table)),
        ]
    if summaries:
        parts += ["<h2>Replay</h2>", _html(_REPLAY_COLUMNS, _replay_cells(summaries))]
    if tables:
        parts.append(explained(k))
    parts += [f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for caption, svg in plots]
    if tables:
        parts.append(examples_of(tables[0].examples, name))
    return "\n".join(parts)


def replay_sentence(summaries: Sequence[Summary]) -> list[str]:
    """What the replay found, in a sentence."""
    full, shipped = summaries[0], next((one for one in summaries if one.schedule.startswith("shipped")), summaries[0])
    good, time = shipped.ndcg / max(full.ndcg, 1e-9), shipped.seconds / max(full.seconds, 1e-9)
    told = f"NDCG@10 {shipped.ndcg:.4f} and {full.ndcg:.4f}"
    return [
        f"learning as shipped is {good:.1%} as good as learning everything anew ({told}), in {time:.0%} of the time"
    ]


_REPLAY_COLUMNS = (
    "schedule",
    "NDCG",
    "of full",
    "HR",
    "coverage",
    "seconds",
    "of full's time",
    "vocabulary",
    "full trainings",
)


def _window(table: Table) -> dict[str, Any]:
    ours = table.rows[0]
    found = table.calibration
    return {
        "window": table.window,
        "customers": table.customers,
        "unknown_customers": table.unknown_customers,
        "products": table.products,
        "calibration": {"source": found.source, "windows": found.windows, "ndcg": found.ndcg},
        "rows": [
            {
                "model": row.name,
                **row.means,
                "ndcg_interval": _bounds(interval(row.judged.ndcg)),
                "ours_less_its_ndcg": _bounds(difference(ours.judged, row.judged)),
                "seconds": row.seconds,
                "chosen": row.note,
            }
            for row in table.rows
        ],
    }


def _bounds(found: Interval) -> dict[str, float]:
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _cells(table: Table) -> list[tuple[str, ...]]:
    return [
        (row.name, *(_number(row, name) for name in _FIELDS), _less(table.rows[0], row), f"{row.seconds:.1f}")
        for row in table.rows
    ]


def _number(row: Row, name: str) -> str:
    return f"{row.means[name]:.4f}" if name in MEASURES else f"{row.means[name]:.3f}"


def _less(ours: Row, row: Row) -> str:
    if row is ours:
        found = interval(row.judged.ndcg)
        return f"95 %: {found.low:.4f} .. {found.high:.4f}"
    found = difference(ours.judged, row.judged)
    return f"{found.mean:+.4f} ({found.low:+.4f} .. {found.high:+.4f})"


def _replay_cells(summaries: Sequence[Summary]) -> list[tuple[str, ...]]:
    full = summaries[0]
    return [
        (
            one.schedule,
            f"{one.ndcg:.4f}",
            f"{one.ndcg / max(full.ndcg, 1e-9):.1%}",
            f"{one.hit_rate:.4f}",
            f"{one.coverage:.3f}",
            f"{one.seconds:.1f}",
            f"{one.seconds / max(full.seconds, 1e-9):.0%}",
            f"{one.vocabulary:,}",
            str(one.full_trainings),
        )
        for one in summaries
    ]


def _html(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr{' class=ours' if cells[0].startswith('alsobought') else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for cells in rows
    )
    return f"<div class=wide><table><tr>{head}</tr>{body}</table></div>"
