"""`alsobought models`: which models there are, how they were judged and which one answers; and to choose by hand.

What is chosen is announced on the models topic: every worker acts on it within a second, and also after a restart.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from config.loading import load_settings
from config.settings import Settings
from consumers.kafka.clients import BrokerUnavailable, KafkaClients
from consumers.releases.announcement import Announcement
from consumers.releases.announcer import announced_now, on_disk
from consumers.releases.decisions import Decision, NoSuchDecision, pin, promote, rollback, unpin
from consumers.releases.folder_watch import FolderWatch
from consumers.training.train_once import announcer_of
from model.snapshots.metadata import About
from serving.cli.options import GivenFlags, command, setting_flags, settings_options, working_group
from serving.reports.progress import plain, say

_FOLDER = ("models_dir", "models_topic")
_WIDE = 200
_NUMBERS = ("events", "products", "NDCG", "serving", "popular")

Decide = Callable[[Announcement | None, Sequence[About]], Decision]


@working_group(
    example="""
    alsobought models --data-dir /var/lib/alsobought
    alsobought models pin v12 --data-dir /var/lib/alsobought
    alsobought models rollback
    """
)
@click.option("--json", "as_json", is_flag=True, help="Print everything that the metadata say.")
@setting_flags(*_FOLDER)
@click.pass_context
def models(ctx: click.Context, *, given: GivenFlags, as_json: bool) -> None:
    """List the models on disk, newest first, with what the gate found; or choose which one answers.

    NDCG, serving and popular are those of the model, the one that answered then and recent popularity, on the same
    purchases; difference is the model's less the serving one's, with its 95 % interval.
    """
    if ctx.invoked_subcommand is not None:
        if as_json or given.config_file or any(value is not None for value in given.flags.values()):
            name = ctx.invoked_subcommand
            raise click.UsageError(f"give options after the command: alsobought models {name} ... --data-dir ...")
        return
    _list(load_settings(given.flags, given.config_file), as_json=as_json)


def _list(settings: Settings, *, as_json: bool) -> None:
    from serving.live_models.versions import list_versions  # noqa: PLC0415 - FAISS takes a while to load, --help should not

    damaged = FolderWatch(settings.models_folder).damaged()
    listed = list_versions(settings.models_folder, damaged=damaged)
    announced, problem = _announced(settings)
    for row in listed:
        row["state"] = _state(row, announced)
    listed += _not_there(settings, listed, announced)
    if as_json:
        click.echo(json.dumps(listed, indent=2))
    elif not listed:
        click.echo(f"{settings.models_folder}: no models yet; the trainer makes one when there are enough purchases")
    else:
        console = Console(highlight=False)
        if not console.is_terminal:  # into a file or a pipe: nothing is cut off
            console.width = max(console.width, _WIDE)
        console.print(_table([row for row in listed if "kind" in row]))
        for row in listed:
            if "kind" not in row:
                say(console, f"{row['version']}: {row['problem']}", "red")
            elif "problem" in row:
                say(console, f"{row['version']} is damaged: {row['problem']}", "red")
    if problem and listed:
        click.echo(f"which of them answers is not known: {problem}", err=True)


def _not_there(
    settings: Settings, listed: list[dict[str, Any]], announced: dict[str, Announcement]
) -> list[dict[str, Any]]:
    """What is announced to answer, and not in the folder."""
    there = {row["version"] for row in listed}
    why = f"it is announced to answer, and not in {settings.models_folder}; the trainer learns another"
    return [
        {"version": said.version, "problem": why, "state": "gone"}
        for said in announced.values()
        if said.version not in there
    ]


def _announced(settings: Settings) -> tuple[dict[str, Announcement], str]:
    clients = KafkaClients(settings.bootstrap_servers, settings.kafka_properties)
    try:
        return dict(announced_now(clients, settings.models_topic)), ""
    except BrokerUnavailable as error:
        return {}, str(error)


def _state(row: dict[str, Any], announced: dict[str, Announcement]) -> str:
    said = announced.get(row.get("brand_id") or "")
    if said is None or "kind" not in row:
        return "damaged" if "problem" in row else ""
    if "problem" in row:
        return "damaged, announced" if said.version == row["version"] else "damaged"
    if said.version == row["version"]:
        answers = "answers" if said.serves == "model" else "popularity answers"
        return f"{answers}, pinned" if said.pinned else answers
    return "previous" if said.previous == row["version"] else ""


def _table(listed: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("version", "kind", "parent", "made", *_NUMBERS, "difference", "verdict", "state"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=name in ("version", "made"))
    for row in listed:
        judged = row["judgement"]
        cells = [
            row["version"],
            row["kind"],
            (row["parent"] or "").partition("-")[0],
            datetime.fromtimestamp(row["created_at_s"], UTC).strftime("%Y-%m-%d %H:%M"),
            f"{row['events']:,}",
            f"{row['vocabulary']:,}",
            *(_ndcg(judged[name]) for name in ("candidate_ndcg", "serving_ndcg", "popular_ndcg")),
            _interval(judged["above_serving"]),
            judged["verdict"],
            " ".join(filter(None, (row["brand_id"], row["state"]))),
        ]
        table.add_row(*map(plain, cells))
    return table


def _ndcg(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _interval(above: dict[str, float] | None) -> str:
    return "" if above is None else f"{above['mean']:+.4f} ({above['low']:+.4f} to {above['high']:+.4f})"


# -- choosing


def _decide(settings: Settings, brand: str, decide: Decide) -> None:
    """Announce what `decide` makes of what is announced now and of the brand's versions on disk."""
    announcer = announcer_of(settings)
    now = announced_now(announcer.clients, settings.models_topic).get(brand)
    decision = decide(now, on_disk(settings.models_folder).get(brand, []))
    said = announcer.decide(brand, decision, now)
    answers = "answers" if said.serves == "model" else "is known, but recent popularity answers"
    click.echo(f"{said.version} {answers}{f' for {brand}' if brand else ''}{', pinned' if said.pinned else ''}")


def _found(settings: Settings, wanted: str) -> About:
    """The version of this name or number, v12 for short."""
    known = [about for abouts in on_disk(settings.models_folder).values() for about in abouts]
    for about in known:
        if wanted in (about.version, about.version.partition("-")[0]):
            return about
    names = ", ".join(about.version for about in known) or "none"
    raise NoSuchDecision(f"{wanted}: no such version in {settings.models_folder}; there are {names}")


def _newest(abouts: Sequence[About], now: Announcement | None) -> str:
    """The newest version there is, "" for none: what is decided now is decided in the knowledge of all of them."""
    if abouts:
        return abouts[0].version
    return "" if now is None else now.version


@command("pin", example="alsobought models pin v12")
@click.argument("version")
@settings_options(*_FOLDER)
def pin_command(settings: Settings, *, version: str) -> None:
    """Let VERSION answer, on all workers, whatever is learnt; new models are still made, judged and kept."""
    about = _found(settings, version)
    _decide(settings, about.brand_id or "", lambda now, abouts: pin(now, about, _newest(abouts, now)))


@command("unpin", example="alsobought models unpin")
@click.option("--brand-id", default="", help="Of this brand's own model.")
@settings_options(*_FOLDER)
def unpin_command(settings: Settings, *, brand_id: str) -> None:
    """Let new models take over again; until the next one is accepted the pinned version goes on answering."""
    _decide(settings, brand_id, lambda now, abouts: unpin(now, _newest(abouts, now)))


@command("promote", example="alsobought models promote v13")
@click.argument("version")
@settings_options(*_FOLDER)
def promote_command(settings: Settings, *, version: str) -> None:
    """Let VERSION answer, say one that the gate refused, until the next accepted model takes over."""
    about = _found(settings, version)
    _decide(settings, about.brand_id or "", lambda now, abouts: promote(now, about, _newest(abouts, now)))


@command("rollback", example="alsobought models rollback")
@click.option("--brand-id", default="", help="Of this brand's own model.")
@settings_options(*_FOLDER)
def rollback_command(settings: Settings, *, brand_id: str) -> None:
    """Go back to the version that answered before; again, and it is the one before that.

    The version that is left does not come back by itself, and nothing more is learnt on top of it.
    """
    _decide(settings, brand_id, lambda now, abouts: rollback(now, abouts, _newest(abouts, now)))


for _command in (pin_command, unpin_command, promote_command, rollback_command):
    models.add_command(_command)
