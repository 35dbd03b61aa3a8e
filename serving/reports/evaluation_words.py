"""What an evaluation found, in sentences: how often customers find something, and whether that is more than by others.

In: the tables of `model.evaluation.comparison`. Out: lines of text. Promise: a difference that chance could have
made is not called one, and a loss is said as plainly as a gain.
"""

from collections.abc import Sequence

from model.evaluation.comparison import OURS, Table
from model.offline.measures import Interval, Measured, joined, relative_difference, share_interval

_BESTSELLERS = "popularity"  # how the names of best-seller lists begin


def sentences(tables: Sequence[Table], k: int) -> list[str]:
    """What to know if nothing else is read: all windows together, paired by customer."""
    models = _joined(tables)
    ours = models.pop(OURS)
    told = [_found(ours, k)]
    others = {name: judged for name, judged in models.items() if not name.startswith(OURS)}
    if not others:
        return [*told, "other recommenders were not asked (--no-peers), so this says nothing of how much that is worth"]
    bestsellers = {name: judged for name, judged in others.items() if name.startswith(_BESTSELLERS)}
    best = _best(others)
    if bestsellers and best not in bestsellers:
        told.append(_compared(ours, bestsellers, _best(bestsellers), k, "the better list of best sellers"))
    return [*told, _compared(ours, others, best, k, f"the best of {len(others)} other recommenders here")]


def _joined(tables: Sequence[Table]) -> dict[str, Measured]:
    """Each model over all windows that have it."""
    names = [row.name for row in tables[0].rows]
    rows = {name: [row.judged for table in tables for row in table.rows if row.name == name] for name in names}
    return {name: joined(found) for name, found in rows.items() if len(found) == len(tables)}


def _best(models: dict[str, Measured]) -> str:
    return max(models, key=lambda name: models[name].mean("ndcg"))


def _found(ours: Measured, k: int) -> str:
    share = share_interval(ours.mean("hit_rate"), len(ours.hit_rate))
    return (
        f"of 100 customers, {100 * share.mean:.0f} bought something of the {k} products they would have been shown "
        f"(95 %: {100 * share.low:.0f} .. {100 * share.high:.0f})"
    )


def _compared(ours: Measured, others: dict[str, Measured], name: str, k: int, which: str) -> str:
    found = relative_difference(ours, others[name])
    if found is None:
        return f"{name}, {which}, found nothing at all, so that no share can be told"
    percent = 100 * found.mean
    measured = f"NDCG@{k}, {len(ours.ndcg):,} customers, 95 %: {_percents(found)}"
    if found.low > 0:
        return f"your customers find {percent:.1f} % more than by {name}, {which} ({measured})"
    if found.high < 0:
        return (
            f"your customers find {-percent:.1f} % less than by {name}, {which} ({measured}): on these purchases it is "
            "the better one"
        )
    way = "more" if percent >= 0 else "less"
    return (
        f"your customers find {abs(percent):.1f} % {way} than by {name}, {which} ({measured}): that may be chance, "
        "more purchases would tell"
    )


def _percents(found: Interval) -> str:
    return f"{100 * found.low:+.1f} .. {100 * found.high:+.1f} %"
