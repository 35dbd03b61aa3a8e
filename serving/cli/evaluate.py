"""`alsobought evaluate`: how good the recommendations are on a shop's own purchases, beside other recommenders.

In: a file of purchases, or the service's own database. Out: tables, JSON, or a page with plots. Nothing is written but
that page, and no service needs to run.
"""

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from config.settings import Settings
from model.progress import Progress
from serving.cli.file_options import file_options, names_of
from serving.cli.options import TRAINING, command, settings_options
from serving.cli.purchases_option import NothingToMeasure, read_purchases
from serving.reports.progress import ProgressDisplay, say
from serving.reports.whole_progress import WholeProgress
from serving.runtime.logs import set_up_logging

if TYPE_CHECKING:
    from model.evaluation.outlook import Outlook
    from model.offline.splits import Cut
    from model.purchases.histories import Histories

_EXTRA = ("implicit", "matplotlib")


@command(
    example="""
    alsobought evaluate orders.parquet --html evaluation.html
    alsobought evaluate --data-dir /var/lib/alsobought --days 14 --no-peers
    alsobought evaluate orders.csv.gz --last-order --parts votes --seeds 1
    alsobought evaluate orders.parquet --replay
    """
)
@file_options
@click.option("--days", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True, help="Of a window.")
@click.option("--last-order", is_flag=True, help="Windows by each customer's orders instead of days.")
@click.option("--windows", type=click.IntRange(1), default=2, show_default=True, help="Test windows, the newest first.")
@click.option("--validation", type=click.IntRange(1), default=2, show_default=True, help="Windows before each of them.")
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs of models that chance changes."
)
@click.option("--k", type=click.IntRange(1, 1000), default=10, show_default=True, help="Length of the lists.")
@click.option("--repeat", is_flag=True, help="Count products that the customer had bought before, too.")
@click.option("--parts", default="neighbours,votes", show_default=True, help="What helps item2vec; empty for nothing.")
@click.option("--peers/--no-peers", default=True, show_default=True, help="Other recommenders in the same table.")
@click.option(
    "--customers", type=click.IntRange(1), default=20_000, show_default=True, help="Tested at most, at random."
)
@click.option("--replay", is_flag=True, help="Compare ways to go on learning, slice by slice, instead.")
@click.option("--slices", type=click.IntRange(2), default=8, show_default=True, help="Of a replay.")
@click.option("--html", "page", type=click.Path(path_type=Path), metavar="PAGE", help="Write a page with plots.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to standard error.")
@settings_options(*TRAINING)
def evaluate(files: tuple[Path, ...], *, settings: Settings, page: Path | None, as_json: bool, **options: Any) -> None:
    """Compare recommenders on the purchases in FILE, read as by `alsobought import`, or in the data folder.

    Every model learns from what precedes a window and is measured, over the whole catalogue, on what was then bought.
    All settings are chosen on windows before the one that is tested.
    """
    set_up_logging(settings.log_format, settings.log_level)
    _check_extra(options["peers"] and not options["replay"], page is not None)
    from model.embeddings.parameters import TooLittleData  # noqa: PLC0415 - gensim takes a while to load, --help should not

    console = Console(stderr=as_json, highlight=False)
    if page:
        _check_page(page)
    try:
        with ProgressDisplay(console) as display:
            result = _Evaluation(settings, {**options, "page": page}, display).run(files)
    except TooLittleData as little:
        raise NothingToMeasure(f"too little to learn from before a window: {little}; give fewer --days") from little
    if page:
        page.write_text(result.page(names_of(files) or str(settings.data_dir)), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(result.json(), indent=2))
    else:
        for table in result.drawn():
            Console(highlight=False, width=None if console.is_interactive else 160).print(table)
    say(
        console,
        f"written: {page}" if page else "no file was written: --html PAGE writes a page with plots and examples",
    )
    for sentence in result.sentences():
        say(console, sentence, "bold")


def _check_page(page: Path) -> None:
    """Say now, and not after the minutes, that the page can not be written."""
    folder = page.parent
    if page.is_dir() or not folder.is_dir() or not os.access(page if page.exists() else folder, os.W_OK):
        raise click.UsageError(f"--html {page} can not be written: name a file in a folder that exists and is yours")


def _check_extra(peers: bool, plots: bool) -> None:
    wanted = [name for name, needed in zip(_EXTRA, (peers, plots), strict=True) if needed]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"{' and '.join(missing)} not installed: install alsobought[evaluate], or say --no-peers without --html"
        )


class _Evaluation:
    """One call of the command."""

    def __init__(self, settings: Settings, options: dict[str, Any], display: ProgressDisplay) -> None:
        self._settings, self._options, self._display = settings, options, display
        self._progress: Progress = display.show

    def run(self, files: tuple[Path, ...]) -> "_Result":
        from consumers.training.recipes import recipe_of  # noqa: PLC0415 - slow to load
        from model.evaluation.comparison import tables  # noqa: PLC0415 - slow to load
        from model.evaluation.replay import replay, testable  # noqa: PLC0415 - slow to load

        histories, keys = read_purchases(files, self._settings, self._options, self._display.show)
        plan = self._plan()
        if self._options["replay"]:
            limits, slices = recipe_of(self._settings).limits, self._options["slices"]
            self._check_slices(testable(histories, slices))
            self._begin({f"slice {at} of {slices}": float(at) for at in range(1, slices + 1)})  # each learns more
            steps = replay(histories, keys, plan.recipe, slices=slices, limits=limits, progress=self._show)
            return _Result([], steps, plan.k, _Titles(keys, {}))
        self._tell_of_later(histories, plan.cut)
        found = list(tables(histories, keys, plan, self._show, self._on_outlook))
        titles = _titles(self._settings) if not files and self._options["page"] else {}
        return _Result(found, [], plan.k, _Titles(keys, titles))

    def _check_slices(self, customers: Sequence[int]) -> None:
        self._display.close()
        empty = [str(at) for at, tested in enumerate(customers, 1) if not tested]
        if len(empty) == len(customers):
            raise NothingToMeasure(
                "no slice has a customer who had bought before it: give more purchases, or fewer --slices"
            )
        if empty:
            say(
                self._display.console,
                f"slices without anybody to test, left out of the means: {', '.join(empty)}",
                "yellow",
            )

    def _tell_of_later(self, histories: "Histories", cut: "Cut") -> None:
        """Say so when a few purchases, long after all others, are in no window."""
        from model.offline.splits import newest_end  # noqa: PLC0415 - slow to load

        end_s = newest_end(histories.times, cut.days) if cut.days is not None else int(histories.times.max())
        later = int((histories.times > end_s).sum())
        if later:
            self._display.close()
            when = f"{datetime.fromtimestamp(end_s, UTC):%Y-%m-%d %H:%M}"
            told = f"{later:,} order lines after {when} UTC are not looked at: too few to be a window of their own"
            say(self._display.console, told, "yellow")

    def _on_outlook(self, outlook: "Outlook", steps: dict[str, float]) -> None:
        self._display.close()
        if not outlook.tested:
            why = outlook.left_out[0] if outlook.left_out else "no customer bought something in a window and before it"
            raise NothingToMeasure(f"nothing can be tested: {why}; give windows of other --days, or more purchases")
        for sentence in outlook.left_out:
            say(self._display.console, sentence, "yellow")
        self._begin(steps)

    def _begin(self, steps: dict[str, float]) -> None:
        self._progress = WholeProgress(self._display, "evaluating", steps).show

    def _show(self, what: str, done: float) -> None:
        self._progress(what, done)

    def _plan(self) -> Any:
        from consumers.training.recipes import recipe_of  # noqa: PLC0415 - slow to load
        from model.evaluation.comparison import PARTS, ComparisonPlan  # noqa: PLC0415 - slow to load
        from model.offline.recommender import OfflineRecipe  # noqa: PLC0415 - slow to load
        from model.offline.splits import Cut  # noqa: PLC0415 - slow to load

        given = self._options
        parts = tuple(part for part in given["parts"].replace(" ", "").split(",") if part)
        if unknown := set(parts) - set(PARTS):
            raise click.UsageError(f"--parts {', '.join(sorted(unknown))}: give some of {', '.join(PARTS)}")
        recipe = recipe_of(self._settings)
        return ComparisonPlan(
            cut=Cut(None if given["last_order"] else given["days"], given["repeat"]),
            windows=given["windows"],
            validation=given["validation"],
            seeds=given["seeds"],
            k=given["k"],
            parts=parts,
            peers=given["peers"],
            most_customers=given["customers"],
            recipe=OfflineRecipe(parameters=recipe.parameters, scoring=recipe.scoring),
        )


def _titles(settings: Settings) -> dict[str, str]:
    """Titles by product key, out of the database."""
    from model.store.reader import read_contents  # noqa: PLC0415 - slow to load

    products = read_contents(settings.database).products
    return {product.key: product.title for product in products if product.title}


class _Titles:
    """What products are called on a page."""

    def __init__(self, keys: Sequence[str], titles: Mapping[str, str]) -> None:
        self._keys, self._titles = keys, titles

    def __call__(self, number: int) -> str:
        key = self._keys[number]
        return self._titles.get(key) or key.replace("\x1f", " / ")


class _Result:
    """What was found, in its forms."""

    def __init__(self, tables: list[Any], steps: list[Any], k: int, names: _Titles) -> None:
        from model.evaluation.replay import summaries  # noqa: PLC0415 - slow to load

        self._tables, self._steps, self._k, self._names = tables, steps, k, names
        self._summaries = summaries(steps)

    def drawn(self) -> list[Any]:
        from serving.reports.evaluation import terminal_replay, terminal_table  # noqa: PLC0415 - slow to load

        if self._summaries:
            return [terminal_replay(self._summaries)]
        return [terminal_table(table, self._k) for table in self._tables]

    def json(self) -> dict[str, Any]:
        from serving.reports.evaluation import as_json  # noqa: PLC0415 - slow to load

        return as_json(self._tables, self._steps, self._summaries) | {"in_words": self.sentences()}

    def sentences(self) -> list[str]:
        from serving.reports.evaluation import replay_sentence  # noqa: PLC0415 - slow to load
        from serving.reports.evaluation_words import sentences  # noqa: PLC0415 - slow to load

        return sentences(self._tables, self._k) if self._tables else replay_sentence(self._summaries)

    def page(self, source: str) -> str:
        from serving.reports.evaluation import page  # noqa: PLC0415 - slow to load
        from serving.reports.evaluation_plots import plots  # noqa: PLC0415 - slow to load

        heading = f"Recommendations measured on {source}"
        drawn = plots(self._tables, self._steps)
        return page(heading, self._tables, self._summaries, drawn, self._k, words=self.sentences(), name=self._names)
