"""`alsobought rebuild`: make the database anew from the topics, and say whether it says the same as the one before."""

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from config.settings import Settings
from consumers.kafka.clients import KafkaClients
from consumers.kafka.missing_records import COMPACTION, RETENTION, UNCLEAR, total
from consumers.kafka.topics import Topics
from consumers.maintenance.rebuild import Rebuilt, put_in_place, rebuild, remove
from consumers.training.train_once import DATABASE
from model.store.digest import State, check_soundness, read_state
from model.store.schema import StoreUnavailable
from serving.cli.options import command, settings_options
from serving.reports.progress import ProgressDisplay
from serving.runtime.assembly import decoder_of, topic_names
from serving.runtime.data_folder import exclusive
from serving.runtime.logs import set_up_logging

_SETTINGS = (
    "purchases_topic",
    "catalog_topic",
    "group_id",
    "fold_every_events",
    "dedupe_window_events",
    "ingest_batch_records",
    "max_future_s",
)


@command(
    "rebuild",
    example="""
    alsobought rebuild --data-dir /var/lib/alsobought
    alsobought rebuild --check
    """,
)
@click.option("--check", is_flag=True, help="Only look at the present file: whether it is sound, and its digest.")
@click.option(
    "--discard", is_flag=True, help="Remove the old file, unless it knows something that the new one does not."
)
@settings_options(*_SETTINGS)
def rebuild_(settings: Settings, *, check: bool, discard: bool) -> None:
    """Make the database anew from purchases and catalogue, every partition from its beginning to its end.

    For a damaged file, or to see that nothing was lost: the digest stands for every customer's sequence and the
    catalogue, and is the same before and after. The old file is set aside beside the new one. Stop the service on this
    data_dir first; the next training then is a full one.
    """
    set_up_logging(settings.log_format, settings.log_level)
    database = settings.data_dir / DATABASE
    if check:
        check_soundness(database)
        click.echo(f"{database}: sound; {_words(read_state(database))}")
        return
    with exclusive(settings.data_dir):
        _rebuild(settings, database, discard=discard)


def _rebuild(settings: Settings, database: Path, *, discard: bool) -> None:
    fresh = database.with_name(f"{database.name}.rebuilding")
    before = _state_before(database)
    remove(fresh)  # what an earlier attempt left
    topics = Topics(KafkaClients(settings.bootstrap_servers, settings.kafka_properties), topic_names(settings))
    with ProgressDisplay(Console(highlight=False)) as display:
        rebuilt = rebuild(fresh, settings, topics, decoder_of(settings), display.show)
    after = read_state(fresh)
    aside = put_in_place(fresh, database, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    click.echo(f"after: {_words(after)}")
    _tell_what_was_read(rebuilt)
    verdict, safe = _compared(before, after, rebuilt)
    click.echo(verdict)
    if aside is not None and discard and safe:
        remove(aside)
    elif aside is not None:
        click.echo(f"the old file is kept: {aside}")


def _state_before(database: Path) -> State | None:
    """What the old file says, as far as it can be read; that is told."""
    if not database.exists():
        return None
    try:
        before = read_state(database)
    except StoreUnavailable as error:
        click.echo(f"before: {error}")
        return None
    click.echo(f"before: {_words(before)}")
    return before


def _words(state: State) -> str:
    return (
        f"{state.customers:,} customers, {state.lines:,} order lines, {state.listed:,} products in the catalogue, "
        f"{state.records:,} records read; digest {state.digest}"
    )


_GONE = {
    RETENTION: "the broker no longer has the first {:,} records, so what they said is not in the new file; set "
    "retention.ms=-1 on the topic",
    COMPACTION: "{:,} records are gone between those that were read, compacted away, so what they said is not in the "
    "new file; set cleanup.policy=delete and retention.ms=-1 on the topic",
    UNCLEAR: "{:,} offsets hold no record: ends of transactions and what was aborted in them, or records that were "
    "compacted away under an earlier policy of the topic",
}


def _tell_what_was_read(rebuilt: Rebuilt) -> None:
    if rebuilt.lost:
        click.echo(f"{rebuilt.records:,} records of purchases were read, {rebuilt.lost:,} are gone from the topic")
    if rebuilt.unreadable:
        click.echo(f"{rebuilt.unreadable:,} records can not be used: dead letters since they were first read")
    for (partition, cause), count in sorted(rebuilt.missing.items()):
        click.echo(f"purchases[{partition}]: {_GONE[cause].format(count)}")


def _compared(before: State | None, after: State, rebuilt: Rebuilt) -> tuple[str, bool]:
    """What to say of the two, and whether the old file knows nothing that the new one does not."""
    if before is None:
        return "there was nothing to compare it with", not rebuilt.lost
    if before.digest == after.digest:
        return "the same state as before", True
    if rebuilt.lost:
        gone = f"{rebuilt.lost:,} records that the old file may have read are gone from the topic"
        return f"NOT the same state as before: {gone}, and only the old file may know them", False
    if before.offsets == after.offsets:
        unclear = total(rebuilt.missing, UNCLEAR)
        though = f", of which {unclear:,} hold no record now" if unclear else ""
        return f"NOT the same state as before, though both have read up to the same offsets{though}", False
    newer = sum(after.offsets.values()) - sum(before.offsets.values())
    return f"not the same state as before, which had not yet read all of the topic: {newer:,} records more", False
