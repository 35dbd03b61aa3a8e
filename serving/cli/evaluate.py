"""`alsobought evaluate`: how good the recommendations are on a shop's own purchases, beside other recommenders.

In: a file of purchases, or the service's own database. Out: tables, JSON, or a page with plots. Nothing is written but
that page, and no service needs to run.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from serving.cli.options import TRAINING, command, settings_options
from serving.cli.purchases_option import NothingToJudge, purchases_options, read_purchases
from serving.reports.progress import ProgressDisplay
from serving.runtime.logs import set_up_logging

_EXTRA = ("implicit", "matplotlib")


@command(
    example="""
    alsobought evaluate orders.parquet --html evaluation.html
    alsobought evaluate --data-dir /var/lib/alsobought --days 14 --no-peers
    alsobought evaluate orders.csv.gz --last-order --parts votes --seeds 1
    alsobought evaluate orders.parquet --replay
    """
)
@purchases_options
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
def evaluate(file: Path | None, *, settings: Settings, page: Path | None, as_json: bool, **options: Any) -> None:
    """Compare recommenders on the purchases of FILE, CSV (also .gz) or Parquet, or of the data folder.

    Every model learns from what precedes a window and is judged, over the whole catalogue, on what was then bought. All
    settings are chosen on windows before the one that is tested.
    """
    set_up_logging(settings.log_format, settings.log_level)
    _check_extra(options["peers"] and not options["replay"], page is not None)
    from model.embeddings.parameters import TooLittleData  # noqa: PLC0415 - gensim takes a while to load, --help should not

    console = Console(stderr=as_json, highlight=False)
    try:
        with ProgressDisplay(console) as display:
            result = _Evaluation(settings, options, display).run(file)
    except TooLittleData as little:
        raise NothingToJudge(f"too little to learn from before a window: {little}; give fewer --days") from little
    if page:
        page.write_text(result.page(str(file or settings.data_dir)), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(result.json(), indent=2))
    else:
        for table in result.drawn():
            Console(highlight=False, width=None if console.is_interactive else 160).print(table)


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

    def run(self, file: Path | None) -> "_Result":
        from consumers.training.recipes import recipe_of  # noqa: PLC0415 - see above
        from model.evaluation.comparison import tables  # noqa: PLC0415 - see above
        from model.evaluation.replay import replay  # noqa: PLC0415 - see above

        histories, keys = read_purchases(file, self._settings, self._options, self._display.show)
        plan = self._plan()
        if self._options["replay"]:
            limits, slices = recipe_of(self._settings).limits, self._options["slices"]
            steps = replay(histories, keys, plan.recipe, slices=slices, limits=limits, progress=self._display.show)
            return _Result([], steps, plan.k)
        found = list(tables(histories, keys, plan, self._display.show))
        if not found:
            raise NothingToJudge("no known customer bought anything to be tested in these windows: give more --days")
        return _Result(found, [], plan.k)

    def _plan(self) -> Any:
        from consumers.training.recipes import recipe_of  # noqa: PLC0415 - see above
        from model.evaluation.comparison import PARTS, Plan  # noqa: PLC0415 - see above
        from model.offline.recommender import OwnRecipe  # noqa: PLC0415 - see above
        from model.offline.splits import Cut  # noqa: PLC0415 - see above

        given = self._options
        parts = tuple(part for part in given["parts"].replace(" ", "").split(",") if part)
        if unknown := set(parts) - set(PARTS):
            raise click.UsageError(f"--parts {', '.join(sorted(unknown))}: give some of {', '.join(PARTS)}")
        recipe = recipe_of(self._settings)
        return Plan(
            cut=Cut(None if given["last_order"] else given["days"], given["repeat"]),
            windows=given["windows"],
            validation=given["validation"],
            seeds=given["seeds"],
            k=given["k"],
            parts=parts,
            peers=given["peers"],
            most_customers=given["customers"],
            recipe=OwnRecipe(parameters=recipe.parameters, scoring=recipe.scoring),
        )


class _Result:
    """What was found, in its three forms."""

    def __init__(self, tables: list[Any], steps: list[Any], k: int) -> None:
        from model.evaluation.replay import summaries  # noqa: PLC0415 - see above

        self._tables, self._steps, self._k = tables, steps, k
        self._summaries = summaries(steps)

    def drawn(self) -> list[Any]:
        from serving.reports.evaluation import terminal_replay, terminal_table  # noqa: PLC0415 - see above

        if self._summaries:
            return [terminal_replay(self._summaries)]
        return [terminal_table(table, self._k) for table in self._tables]

    def json(self) -> dict[str, Any]:
        from serving.reports.evaluation import as_json  # noqa: PLC0415 - see above

        return as_json(self._tables, self._steps, self._summaries)

    def page(self, source: str) -> str:
        from serving.reports.evaluation import page  # noqa: PLC0415 - see above
        from serving.reports.evaluation_plots import plots  # noqa: PLC0415 - see above

        heading = f"Recommendations judged on {source}"
        return page(heading, self._tables, self._summaries, plots(self._tables, self._steps), self._k)
