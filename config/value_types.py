"""Kinds of values that settings take: each checks itself and says in words what it allows."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from config.kafka_properties import parse_properties

_NAME = r"[a-zA-Z0-9._-]{1,249}"
_SERVER = re.compile(r"([A-Za-z_]+://)?([^\s,:/\[\]]+|\[[0-9a-fA-F:.%]+\])(:(?P<port>\d{1,5}))?")
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting takes, in words that follow "it must be"."""

    words: str


def _kafka_name(name: str | None) -> str | None:
    if name is not None and (not re.fullmatch(_NAME, name) or name in {".", ".."}):
        raise ValueError("Kafka does not take this name")
    return name


def _list(given: object) -> object:
    if isinstance(given, str) and given.lstrip().startswith("["):  # a JSON list, as other tools write into environments
        with suppress(ValueError):
            given = json.loads(given)
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, (list, tuple)):
        return parts
    names = tuple(part.strip() if isinstance(part, str) else part for part in parts)
    return tuple(name for name in names if name != "")


def _event_types(types: tuple[str, ...]) -> tuple[str, ...]:
    for event_type in types:
        if event_type != "*" and not re.search(r"[^\W\d_]", event_type):
            raise ValueError(f"{event_type!r} has no word in it")
    return types


def _reply_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not re.fullmatch(rf"{_NAME}\*?", pattern):
            raise ValueError(f"{pattern!r} is neither a topic name nor the beginning of one with * at its end")
    return patterns


def _servers(servers: str) -> str:
    for server in servers.split(","):
        found = _SERVER.fullmatch(server.strip())
        if not found or int(found["port"] or 1) not in range(1, _HIGHEST_PORT + 1):
            raise ValueError(f"{server.strip()!r} is not host:port")
    return servers


def _visible(text: str) -> str:
    if not text or not text.isprintable() or text != text.strip():
        raise ValueError("it is empty, or has blanks at its ends or control characters")
    return text


def _replicas(count: int) -> int:
    if count == 0:
        raise ValueError("a topic needs at least one replica")
    return count


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


TopicName = Annotated[
    str,
    AfterValidator(_kafka_name),
    Allowed("a topic name: 1 to 249 letters, digits, dots, underscores or hyphens, and no other topic's name"),
]
InstanceId = Annotated[
    str | None, AfterValidator(_kafka_name), Allowed("1 to 249 letters, digits, dots, underscores or hyphens")
]
ReplyTopicNames = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_list),
    AfterValidator(_reply_patterns),
    Allowed("topic names or beginnings of them with * at the end, separated by commas"),
]
EventTypes = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_list),
    AfterValidator(_event_types),
    Allowed("event types such as order.placed, separated by commas; * for every type"),
]
Servers = Annotated[str, AfterValidator(_servers), Allowed("host:port, more of them separated by commas")]
VisibleText = Annotated[str, AfterValidator(_visible), Allowed("a text without control characters")]
KafkaProperties = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(parse_properties),
    Allowed("librdkafka client properties: a TOML table, JSON in the environment, or key=value in a flag"),
]
Replicas = Annotated[
    int, AfterValidator(_replicas), Allowed("-1 (as the broker is set) or a whole number from 1 to 32767")
]
Folder = Annotated[Path, AfterValidator(Path.expanduser), Allowed("the path of a folder")]
OptionalFolder = Annotated[
    Path | None, AfterValidator(lambda path: path and path.expanduser()), Allowed("the path of a folder")
]
AnyCase = BeforeValidator(_lower)
