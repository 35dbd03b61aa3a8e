"""`alsobought train`: learn a model once from the purchases in the data folder."""

import click
from rich.console import Console

from config.settings import Settings
from model.ranking.parameters import FEATURES, Ranking
from serving.cli.options import TRAINING, command, settings_options
from serving.reports.progress import ProgressDisplay
from serving.runtime.logs import set_up_logging

_NOTHING_LEARNT = 3
_LEARNING = (
    *TRAINING,
    "train_min_customers",
    "neighbour_votes",
    "product_votes",
    "calibrate_hours",
    "gate_margin",
    "gate_customers",
    "models_dir",
    "models_topic",
    "keep_versions",
)


@command(
    example="""
    alsobought train --data-dir /var/lib/alsobought
    alsobought train --vector-size 64 --window 10 --no-announce
    """
)
@click.option("--brand-id", help="Learn from this brand's products only, for requests that name the brand.")
@click.option("--full", is_flag=True, help="From scratch, even where an increment would do.")
@click.option("--announce/--no-announce", default=True, show_default=True, help="Tell the workers, over Kafka.")
@click.pass_context
@settings_options(*_LEARNING)
def train(ctx: click.Context, *, settings: Settings, brand_id: str | None, full: bool, announce: bool) -> None:
    """Learn a model once, judge it, write its snapshot and announce it if it is accepted.

    Exit code 3 says that nothing was learnt, since there is too little data: it says what there is and what is needed.
    A model that is refused is learnt: it is kept, and `alsobought models promote` can still let it answer.
    """
    set_up_logging(settings.log_format, settings.log_level)
    from consumers.releases.announcer import announced_now  # noqa: PLC0415
    from consumers.training.train_once import announcer_of, train_once  # noqa: PLC0415 - gensim is slow to load, --help is not
    from model.embeddings.parameters import TooLittleData  # noqa: PLC0415

    announcer = announcer_of(settings) if announce else None
    if announcer is not None:  # before learning, which may take long, not after it
        announced_now(announcer.clients, announcer.topic)
    console = Console(highlight=False)
    with ProgressDisplay(console) as display:
        try:
            about = train_once(
                settings, brand_id=brand_id, full=full, announce=announce, announcer=announcer, progress=display.show
            )
        except TooLittleData as little:
            display.close()
            click.echo(f"nothing learnt: {little}")
            ctx.exit(_NOTHING_LEARNT)
    click.echo(
        f"{about.version}: {about.kind} ({about.reason}), {about.vocabulary:,} products from {about.lines:,} order "
        f"lines of {about.customers:,} customers in {about.seconds:.1f} s; {settings.models_folder / about.version}"
    )
    click.echo(_ranked_by(about.ranking))
    click.echo(f"{about.judgement.verdict}: {about.judgement.why}")


def _ranked_by(ranking: Ranking) -> str:
    found, weights = ranking.calibration, ranking.weights
    if weights is None:
        by = "the index alone"
    else:
        by = ", ".join(f"{name} {getattr(weights, name):.2f}" for name in FEATURES if getattr(weights, name))
    if found is None or not found.windows:
        return f"ranked by {by}: " + ("not calibrated" if found is None else "too little data to calibrate")
    tried = ", ".join(f"{name} {ndcg:.4f}" for name, ndcg in found.ndcg.items())
    return f"ranked by {by} ({found.source}); NDCG@10 of {found.customers} customers in the newest window: {tried}"
