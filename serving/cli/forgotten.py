"""`alsobought forgotten`: whether a customer was forgotten, and until which model what was bought is still in one."""

from collections.abc import Collection
from datetime import UTC, datetime

import click
from rich.console import Console

from config.errors import ConfigError
from config.settings import Settings
from consumers.decoding.fields import InvalidRecord
from consumers.from_settings import clients_of, decoder_of, topic_names
from consumers.kafka.topics import Topics
from consumers.maintenance.forgotten import Trace, names_of, trace
from consumers.releases.announcer import announced_now, on_disk
from model.snapshots.metadata import About, version_number
from serving.cli.options import command, settings_options
from serving.reports.progress import ProgressDisplay
from serving.runtime.logs import set_up_logging

_WORDS = {
    "holds": "learnt from purchases that were erased since",
    "nothing": "holds nothing that was erased",
    "unknown": "learnt from another topic, or by an alsobought that did not note which: may hold something",
}


@command(example="alsobought forgotten c-42 --data-dir /var/lib/alsobought")
@click.argument("profile_id")
@settings_options("purchases_topic", "models_topic", "models_dir")
def forgotten(settings: Settings, *, profile_id: str) -> None:
    """Say when a customer was forgotten, and which models were learnt before that.

    Reads the whole topic of purchases, since no list of the forgotten is kept. PROFILE_ID may be a phone number where
    phone_hash_key is set. Run it where models_dir is.
    """
    set_up_logging(settings.log_format, settings.log_level)
    decoder = decoder_of(settings)
    try:
        names = names_of(profile_id, decoder)
    except InvalidRecord as error:
        raise ConfigError(f"PROFILE_ID: {error}") from error
    clients = clients_of(settings)
    with ProgressDisplay(Console(highlight=False, stderr=True)) as display:
        found = trace(Topics(clients, topic_names(settings)), decoder, names, display.show)
    if not found.tombstones:
        bought = "; there are purchases" if found.turns else ", nor any purchase"
        click.echo(f"not forgotten: {settings.purchases_topic} has no null value under this key{bought}")
        return
    answering = {said.version for said in announced_now(clients, settings.models_topic).values()}
    abouts = [about for found_on_disk in on_disk(settings.models_folder).values() for about in found_on_disk]
    _tell(settings, found, sorted(abouts, key=lambda about: version_number(about.version)), answering)


def _tell(settings: Settings, found: Trace, abouts: list[About], answering: Collection[str]) -> None:
    where = ", ".join(f"{settings.purchases_topic}[{part}]@{offset}" for part, offset in found.tombstones.items())
    when = datetime.fromtimestamp(found.forgotten_at_ms / 1000, UTC).isoformat(timespec="seconds")
    click.echo(f"forgotten at {where}{f', {when}' if found.forgotten_at_ms > 0 else ''}")
    if found.bought_since:
        click.echo("bought again since: those purchases count and are learnt")
    held = []
    for about in abouts:
        verdict = found.in_model(about.source, about.offsets)
        click.echo(f"{about.version}: {_WORDS[verdict]}{' (it answers now)' if about.version in answering else ''}")
        if verdict != "nothing":
            held.append(about.version)
    click.echo(_conclusion(held, answering))


def _conclusion(held: list[str], answering: Collection[str]) -> str:
    if not held:
        return "in no model on disk"
    answers = [version for version in held if version in answering]
    if not answers:
        return f"in no model that answers; until {held[-1]} on disk, which keep_versions removes in time"
    return (
        f"in a model that answers: {', '.join(answers)}. The next training starts from scratch and holds nothing of it "
        "(`alsobought train --full` learns at once)"
    )
