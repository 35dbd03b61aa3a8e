"""What `alsobought tune` says: the best attempts, what changed and what it gained; the same as remarks in a file.

In: what `model.tuning.search` and `model.tuning.gain` found. Out: a table, lines of text, and settings by their names.
"""

import math
from collections.abc import Sequence

from rich.table import Table

from model.embeddings.parameters import TrainingParameters
from model.offline.measures import Interval
from model.tuning.gain import Gain, TuningVerdict
from model.tuning.search import Search, TuningAttempt, TuningPace
from model.tuning.search_space import TUNED
from serving.reports.whole_progress import spoken

_SHOWN = 5
_WORTHWHILE = 5  # settings: fewer are no search
_SETTING = {"sample": "subsample"}  # parameters whose setting is called otherwise


def settings_of(parameters: TrainingParameters) -> dict[str, float]:
    """The settings that stand for these parameters, by their names."""
    return {_SETTING.get(name, name): getattr(parameters, name) for name in TUNED}


def promised(pace: TuningPace, minutes: float, seeds: int) -> list[str]:
    """What so many minutes can buy at this speed, before they are spent."""
    least, most = pace.attempts(60.0 * minutes)
    told = f"to learn and judge a setting takes about {spoken(pace.attempt_s)} here"
    after = f"if something is found, measuring its gain takes about {spoken(2 * seeds * pace.learning_s)} more"
    if most < _WORTHWHILE:
        needed = math.ceil((pace.attempt_s + _WORTHWHILE * pace.window_s) / 60)
        advice = f"; a search that can find something needs --minutes {max(needed, math.ceil(minutes))} or more"
    else:
        advice = ""
    return [f"{told}: {minutes:g} min are enough for {_settings(least, most)}, those in force first{advice}", after]


def _settings(least: int, most: int) -> str:
    if most == 1:
        return "one setting only"
    return f"{least} settings" if least == most else f"{least} to {most} settings"


def attempts_table(search: Search) -> Table:
    """The settings in force and the best attempts, those values bold that differ from what is in force."""
    now = search.attempts[0]
    drawn = Table(title="the best of what was tried, on the validation windows", title_justify="left")
    drawn.add_column("settings")
    for column in ("NDCG@10", "gain", "seconds", *settings_of(now.parameters)):
        drawn.add_column(column, justify="right")
    best = [attempt for attempt in search.finished if attempt is not now]
    for name, attempt in [("in force", now), *((f"{at}.", one) for at, one in enumerate(best[:_SHOWN], 1))]:
        drawn.add_row(name, *_cells(attempt, now))
    return drawn


def lines(search: Search, gain: Gain | None, found: TuningVerdict) -> list[str]:
    """How much was tried, what changed, what it gained, and whether to take it."""
    told = [_tried(search)]
    if search.found:
        told += [f"the best: {_changes(search)}", *_gains(search, gain)]
    what = "take the settings found" if found.change else "keep the settings in force"
    return [*told, f"{what}: {found.why}"]


def _tried(search: Search) -> str:
    tried, finished = len(search.attempts), len(search.finished)
    return (
        f"{tried} settings tried on {search.windows} validation windows of {len(search.attempts[0].ndcg):,} customers "
        f"in all: {finished} judged to the end, {tried - finished} given up early, {search.too_dear} more were too dear"
    )


def _changes(search: Search) -> str:
    now, best = settings_of(search.attempts[0].parameters), settings_of(search.best.parameters)
    return ", ".join(f"{name} {now[name]:g} -> {best[name]:g}" for name in now if now[name] != best[name])


def _gains(search: Search, gain: Gain | None) -> list[str]:
    now, best = search.attempts[0], search.best
    told = [f"validation windows: NDCG@10 {now.score:.4f} -> {best.score:.4f}, {_interval(search.gain())}"]
    if gain:
        before, after = gain.before.mean("ndcg"), gain.after.mean("ndcg")
        told.append(
            f"test window, {len(gain.before.ndcg):,} customers, mean of {gain.seeds} seeds: "
            f"NDCG@10 {before:.4f} -> {after:.4f}, {_interval(gain.ndcg())}"
        )
    return told


def _cells(attempt: TuningAttempt, now: TuningAttempt) -> Sequence[str]:
    mine, others = settings_of(attempt.parameters), settings_of(now.parameters)
    values = [f"{value:g}" if value == others[name] else f"[bold]{value:g}[/bold]" for name, value in mine.items()]
    gain = "" if attempt is now else f"{attempt.score / now.score - 1:+.1%}" if now.score else "-"
    return [f"{attempt.score:.4f}", gain, f"{attempt.seconds:.0f}", *values]


def _interval(gain: Interval) -> str:
    return f"{gain.mean:+.4f} (95 %: {gain.low:+.4f} .. {gain.high:+.4f})"
