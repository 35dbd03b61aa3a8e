"""`alsobought tune`: training settings that suit a shop's own purchases better, and what they gain.

In: a file of purchases, or the service's own database. Out: a table, and a file of settings to start the service with.
The newest window is kept for measuring the gain. No service needs to run, and none is changed.
"""

import importlib.util
import time
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from config.errors import ConfigError
from config.settings import Settings
from config.toml_file import check_writable, put_into, read_text, write
from serving.cli.file_options import file_options
from serving.cli.options import TRAINING, command, settings_options
from serving.cli.purchases_option import NothingToMeasure, read_purchases
from serving.reports.progress import ProgressDisplay, say
from serving.runtime.logs import set_up_logging
from serving.runtime.stop_signal import stop_signal

if TYPE_CHECKING:
    from model.offline.splits import Split
    from model.purchases.histories import Histories
    from model.tuning.gain import Gain
    from model.tuning.search import Search, TuningPlan

_LEARNING = (*TRAINING, "train_min_customers")
_NAME = "tune"
_WIDE = 160
_NOT_DONE = 0.99


@command(
    example="""
    alsobought tune orders.parquet --minutes 20
    alsobought tune --data-dir /var/lib/alsobought --days 14
    alsobought tune --config /etc/alsobought.toml --output /etc/alsobought.toml
    alsobought run --config alsobought-tuned.toml
    """
)
@file_options
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), default=20.0, show_default=True, help="Of searching."
)
@click.option("--days", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True, help="Of a window.")
@click.option("--last-order", is_flag=True, help="Windows by each customer's orders instead of days.")
@click.option(
    "--validation", type=click.IntRange(1), default=2, show_default=True, help="Windows before the test window."
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs to measure the gain with.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("alsobought-tuned.toml"),
    show_default=True,
    metavar="FILE",
    help="TOML file that gets the settings; other settings in it stay.",
)
@settings_options(*_LEARNING)
def tune(files: tuple[Path, ...], *, settings: Settings, output: Path, **options: Any) -> None:
    """Search training settings on the purchases in FILE, read as by `alsobought import`, or in the data folder.

    Settings are chosen on windows before the newest one; what they gain is then measured on the newest, which takes
    two trainings for each seed more. They are written only if they are better, else those in force are, which are
    measured in any case. Ctrl-C ends the search early, with what was found so far.
    """
    set_up_logging(settings.log_format, settings.log_level)
    if importlib.util.find_spec("optuna") is None:
        raise click.UsageError("optuna is not installed: install alsobought[tune]")
    from model.embeddings.parameters import TooLittleData  # noqa: PLC0415 - gensim takes a while to load, --help should not

    console = Console(highlight=False)
    if not console.is_terminal:  # into a file or a pipe: nothing is cut off
        console.width = max(console.width, _WIDE)
    try:
        _Tuning(settings, options, console).run(files, output)
    except TooLittleData as little:
        raise NothingToMeasure(f"too little to learn from before a window: {little}; give fewer --days") from little


class _Target:
    """The file that gets the settings. All that could be wrong with it is found before the search, not after it."""

    def __init__(self, path: Path, in_force: dict[str, float]) -> None:
        self._path = path
        text = read_text(path)
        there = tomllib.loads(text)
        others = [name for name, value in in_force.items() if there.get(name, value) != value]
        if others:
            told = ", ".join(f"{name} = {there[name]} instead of {in_force[name]:g}" for name in others)
            raise ConfigError(
                f"{path} holds settings other than those in force ({told}): start from them with --config {path}, "
                "or name another --output"
            )
        put_into(text, _NAME, in_force, [])
        check_writable(path)

    def put(self, settings: dict[str, float], remarks: Sequence[str]) -> None:
        """Write the settings with the remarks above them; what else is in the file by now stays."""
        write(self._path, put_into(read_text(self._path), _NAME, settings, remarks))


class _Tuning:
    """One call of the command."""

    def __init__(self, settings: Settings, options: dict[str, Any], console: Console) -> None:
        self._settings, self._options, self._console = settings, options, console

    def run(self, files: tuple[Path, ...], output: Path) -> None:
        from model.tuning.gain import test_window, verdict  # noqa: PLC0415 - slow to load
        from serving.reports import tuning as report  # noqa: PLC0415 - slow to load

        plan = self._plan()
        target = _Target(output, report.settings_of(plan.recipe.parameters))
        with ProgressDisplay(self._console) as display:
            histories, keys = read_purchases(files, self._settings, self._options, display.show)
            tested = test_window(histories, plan.cut)
            self._tell_pace(histories, keys, plan, display)
        search = self._search(histories, keys, plan)
        self._console.print(report.attempts_table(search))
        gain = self._gain(tested, keys, search, plan) if search.found else None
        found = verdict(search, gain)
        lines = report.lines(search, gain, found)
        for line in lines:
            say(self._console, line)
        chosen = search.best if found.change else search.attempts[0]
        target.put(report.settings_of(chosen.parameters), [f"{datetime.now(UTC):%Y-%m-%d}", *lines])
        say(self._console, f"written to {output}; try: alsobought run --config {output}")

    def _plan(self) -> "TuningPlan":
        from consumers.training.recipes import recipe_of  # noqa: PLC0415 - slow to load
        from model.offline.splits import Cut  # noqa: PLC0415 - slow to load
        from model.tuning.search import TuningPlan  # noqa: PLC0415 - slow to load

        given, recipe = self._options, recipe_of(self._settings)
        offline = recipe.offline()
        return TuningPlan(
            cut=Cut(None if given["last_order"] else given["days"]),
            validation=given["validation"],
            recipe=offline if recipe.calibrates else replace(offline, weights=None),
        )

    def _tell_pace(
        self, histories: "Histories", keys: Sequence[str], plan: "TuningPlan", display: ProgressDisplay
    ) -> None:
        """Say what the minutes can buy, before they are spent."""
        from model.tuning.search import pace  # noqa: PLC0415 - slow to load
        from serving.reports.tuning import promised  # noqa: PLC0415 - slow to load

        display.show("measuring the speed", 0.0)
        measured = pace(histories, keys, plan)
        display.show("measuring the speed", 1.0)
        display.close()
        for line in promised(measured, self._options["minutes"], self._options["seeds"]):
            say(self._console, line)

    def _search(self, histories: "Histories", keys: Sequence[str], plan: "TuningPlan") -> "Search":
        from model.tuning.search import TuningAttempt, search  # noqa: PLC0415 - slow to load

        limit_s, started = 60.0 * float(self._options["minutes"]), time.monotonic()
        attempts: list[TuningAttempt] = []

        def passed() -> float:
            return (time.monotonic() - started) / limit_s

        def shown() -> float:
            # Those in force are measured, however long it takes.
            return passed() if attempts else min(passed(), _NOT_DONE)

        with ProgressDisplay(self._console) as display, stop_signal() as stopped:
            found = search(
                histories,
                keys,
                plan,
                is_over=lambda: passed() >= 1.0,
                is_stopped=stopped,
                on_attempt=attempts.append,
                progress=lambda _what, _done: display.show("searching", shown(), _tried(len(attempts))),
            )
        if stopped():
            say(self._console, "stopped: this is what was found so far")
        return found

    def _gain(self, tested: "Split", keys: Sequence[str], search: "Search", plan: "TuningPlan") -> "Gain | None":
        """The gain on the test window; None when Ctrl-C broke the measurement off."""
        from model.tuning.gain import Stopped, measured  # noqa: PLC0415 - slow to load

        seeds = self._options["seeds"]
        with ProgressDisplay(self._console) as display, stop_signal() as stopped:
            try:
                return measured(tested, keys, search, plan.cut, seeds=seeds, is_over=stopped, progress=display.show)
            except Stopped:
                return None


def _tried(attempts: int) -> str:
    return f"{attempts} tried"
