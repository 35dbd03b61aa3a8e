"""`alsobought dead-letters`: list the records that could not be read, and send them back after a fix."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Console

from config.settings import Settings
from consumers.from_settings import clients_of
from consumers.ingest.dead_letters import PREFIX, SIZE_HEADER, origin_of, original_timestamp_ms
from consumers.kafka.clients import BrokerUnavailable, KafkaClients
from consumers.kafka.delivery import DeliveryReports
from consumers.kafka.records import Record
from consumers.kafka.topic_reader import read_topic
from serving.cli.options import command, command_group, settings_options
from serving.reports.progress import say
from serving.runtime.logs import set_up_logging

_DELIVERY_S = 60
REPLAY_HEADER = "alsobought-replay-of"  # where a record that was sent back first came from


@command_group(
    "dead-letters",
    example="""
    alsobought dead-letters list
    alsobought dead-letters replay --reason no_phone_hash_key
    """,
)
def dead_letters() -> None:
    """List unreadable records, or send them back to the topic they came from."""


@command("list", example="alsobought dead-letters list --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, values left out.")
@settings_options("dead_letters_topic")
def list_(settings: Settings, *, as_json: bool) -> None:
    """List the dead letters that are on the topic now."""
    set_up_logging(settings.log_format, settings.log_level)
    console = Console(highlight=False)
    reasons: Counter[str] = Counter()
    for letter in _letters(clients_of(settings), settings):
        about = _about(letter)
        reasons[about["reason"]] += 1
        if as_json:
            click.echo(json.dumps(about))
        else:
            where = f"{about['topic']}[{about['partition']}]@{about['offset']}"
            say(console, f"{where}  {about['reason']}: {about['message']}")
    if not as_json:
        total = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        say(console, f"{sum(reasons.values())} dead letters{': ' + total if total else ''}")


@command("replay", example="alsobought dead-letters replay --topic purchases --reason no_phone_hash_key")
@click.option("--reason", help="Only those with this reason.")
@click.option("--topic", help="Only those that came from this topic.")
@click.option("--dry-run", is_flag=True, help="Count them, send nothing.")
@settings_options("dead_letters_topic", "purchases_topic", "catalog_topic", "requests_topic")
def replay(settings: Settings, *, reason: str | None, topic: str | None, dry_run: bool) -> None:
    """Send dead letters back to where they came from, as they were; fix what made them dead first.

    They stay on the dead-letter topic too, so choose by --reason and --topic what was not sent back yet. A record that
    went there more than once (a crash came between, or it died again when it was sent back) is sent once.
    """
    set_up_logging(settings.log_format, settings.log_level)
    ours = {settings.purchases_topic, settings.catalog_topic, settings.requests_topic}
    clients = clients_of(settings)
    chosen: dict[str, tuple[str, Record]] = {}  # where it first came from -> topic, letter
    left: Counter[str] = Counter()
    for letter in _letters(clients, settings):
        origin, about = origin_of(letter), _about(letter)
        if (reason and about["reason"] != reason) or (topic and origin[0] != topic):
            left["not chosen"] += 1
        elif origin[0] not in ours:
            left[f"of a topic that is not ours ({origin[0] or 'none named'})"] += 1
        elif SIZE_HEADER in letter.header_values():
            left["too large to be kept, their value is gone"] += 1
        else:
            chosen[_first_origin(letter)] = origin[0], letter
    if not dry_run:
        _send(clients, chosen)
    said = "".join(f"; {count} left: {why}" for why, count in left.items())
    click.echo(f"{len(chosen)} dead letters {'would be ' if dry_run else ''}sent back{said}")


dead_letters.add_command(list_)
dead_letters.add_command(replay)


def _letters(clients: KafkaClients, settings: Settings) -> Iterator[Record]:
    """Every dead letter that is on the topic now, partition by partition."""
    return read_topic(
        clients, settings.dead_letters_topic, group="alsobought-dead-letters", setting="dead_letters_topic"
    )


def _about(letter: Record) -> dict[str, Any]:
    topic, partition, offset = origin_of(letter)
    headers = letter.header_values()
    return {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "reason": headers.get(PREFIX + "exception.class.name", b"unknown").decode("utf-8", "replace"),
        "message": headers.get(PREFIX + "exception.message", b"").decode("utf-8", "replace"),
        "bytes": 0 if letter.value is None else len(letter.value),
    }


def _first_origin(letter: Record) -> str:
    """Where the record was before it was ever sent back; the same however often that happened."""
    sent_back = letter.header_values().get(REPLAY_HEADER)
    topic, partition, offset = origin_of(letter)
    return f"{topic}[{partition}]@{offset}" if sent_back is None else sent_back.decode("utf-8", "replace")


def _send(clients: KafkaClients, letters: Mapping[str, tuple[str, Record]]) -> None:
    reports: DeliveryReports[None] = DeliveryReports(clients.producer())
    for first_origin, (topic, letter) in letters.items():
        headers = [header for header in letter.headers if not header[0].startswith((PREFIX, REPLAY_HEADER))]
        headers.append((REPLAY_HEADER, first_origin.encode()))
        reports.send(
            None,
            topic=topic,
            key=letter.key,
            value=letter.value,
            headers=headers,
            timestamp=original_timestamp_ms(letter),
        )
    if why := reports.why_not_all(_DELIVERY_S):
        raise BrokerUnavailable(
            f"{len(letters) - reports.delivered} of {len(letters)} were not sent back: {why}; "
            "run the same command again"
        )
