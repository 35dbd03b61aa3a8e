"""Plots of an evaluation as SVG elements: how accurate, how varied, and how increments fare over time.

Promise: no name stands on a plot, where it could cover another or a point; names stand beside it, with their marks.

matplotlib is an extra of the project (`alsobought[evaluate]`) and imported when it is used.
"""

import io
from collections.abc import Sequence
from typing import Any

from model.evaluation.comparison import OURS, Table
from model.evaluation.replay import Step
from model.offline.measures import interval

_MARKERS = "osD^vP*X<>ph"
_OURS, _THEIRS = "#2e7d32", "#90a4ae"


def plots(tables: Sequence[Table], steps: Sequence[Step]) -> list[tuple[str, str]]:
    """Pairs of a caption and an SVG element."""
    drawn = []
    for table in tables:
        when = "the newest window" if table.window == 0 else f"window {table.window}"
        drawn.append((f"NDCG in {when}, with 95 % intervals over customers", _bars(table)))
        drawn.append((f"NDCG against the part of the catalogue shown, {when}", _scatter(table)))
    if steps:
        drawn.append(("NDCG on each slice before it is learnt", _lines(steps)))
    return drawn


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _colour(name: str) -> str:
    return _OURS if name.startswith("alsobought") else _THEIRS


def _bars(table: Table) -> str:
    rows = sorted(table.rows, key=lambda row: row.means["ndcg"])
    figure, axes = _figure(8, 0.35 * len(rows) + 1)
    spans = [interval(row.judged.ndcg) for row in rows]
    axes.barh(
        [row.name for row in rows],
        [row.means["ndcg"] for row in rows],
        xerr=[(span.high - span.low) / 2 for span in spans],
        color=[_colour(row.name) for row in rows],
    )
    axes.set_xlabel("NDCG")
    return _svg(figure)


def _scatter(table: Table) -> str:
    figure, axes = _figure(10, 5)
    rows = sorted(table.rows, key=lambda row: -row.means["ndcg"])
    colours = _colours(len(rows))
    for at, row in enumerate(rows):
        axes.scatter(
            row.means["coverage"],
            row.means["ndcg"],
            s=90 if row.name.startswith(OURS) else 45,
            marker=_MARKERS[at % len(_MARKERS)],
            color=_OURS if row.name.startswith(OURS) else colours[at],
            alpha=0.8,
            label=row.name,
        )
    axes.set_xlabel("coverage: part of the catalogue that anybody was shown")
    axes.set_ylabel("NDCG")
    figure.legend(loc="outside right upper", fontsize=8, title="best NDCG first")
    return _svg(figure)


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps  # noqa: PLC0415 - an extra

    return [colormaps["tab20"](at % 20) for at in range(count)]


def _lines(steps: Sequence[Step]) -> str:
    figure, axes = _figure(10, 4)
    for name in dict.fromkeys(step.schedule for step in steps):
        mine = [step for step in steps if step.schedule == name]
        axes.plot([step.slice for step in mine], [step.judged.mean("ndcg") for step in mine], marker="o", label=name)
    axes.set_xlabel("slice")
    axes.set_ylabel("NDCG")
    figure.legend(loc="outside right upper", fontsize=8)
    return _svg(figure)
