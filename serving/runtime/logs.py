"""Logs: one event a line, for people on a terminal and as JSON elsewhere, on standard error.

In: structlog events of ours and standard logging of libraries. Out: lines with a UTC time, level, event and fields.
The promise: whatever is logged, a line stays one line, and phone numbers and secrets are masked.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from serving.runtime.redaction import one_line, redacted

# They report every step at INFO, of no use to an operator.
_TALKATIVE = ("gensim", "smart_open", "urllib3", "asyncio", "docker", "faiss")
_FIRST = ("timestamp", "level", "event")


def set_up_logging(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (default: standard error), from now on.

    `log_format` is auto, console or json; `log_level` is debug, info, warning or error. A second call replaces the
    first.
    """
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[log_level.upper()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(_renderers(log_format, stream)))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def is_for_people(log_format: str, stream: TextIO) -> bool:
    """Whether lines are laid out for a reader: asked for, or `auto` on a terminal."""
    return log_format == "console" or (log_format == "auto" and stream.isatty())


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _formatter(renderers: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _ordered,
            *renderers,
        ],
    )


def _renderers(log_format: str, stream: TextIO) -> list[Processor]:
    if not is_for_people(log_format, stream):
        return [structlog.processors.JSONRenderer()]
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    return [
        _escape,
        structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        ),
    ]


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask phone numbers and secrets in every field (a structlog processor)."""
    return {name: redacted(name, value) for name, value in event.items()}


def _ordered(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    first = {name: event[name] for name in _FIRST if name in event}
    return first | {name: value for name, value in event.items() if name not in first}


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    escaped: MutableMapping[str, Any] = {one_line(name): _safe(value) for name, value in event.items()}
    for name in ("exception", "stack"):
        if isinstance(event.get(name), str):
            # A traceback has lines of its own; set in, none of them can pass for an event.
            escaped[name] = "\n".join(f"    {one_line(line)}" for line in event[name].splitlines())
    return escaped


def _safe(value: object) -> object:
    """Escape texts; what ConsoleRenderer shows by repr is safe already."""
    return one_line(value) if isinstance(value, str) else value
