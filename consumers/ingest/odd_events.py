"""Purchases records that are read and yet change nothing, said in the log: at once when new, then now and then.

In: events that are no purchase, by type; null values that hit no customer. Out: one line for each kind at most every
minute, with counts since the last one. The promise: neither a key nor an id is ever said, since it may be a phone.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from consumers.kafka.records import Record

log = structlog.get_logger(__name__)
_EVERY_S = 60.0
_NAME_IT = (
    "if these are purchases, name their type in the setting purchase_types, then run `alsobought rebuild`, which reads "
    "them again; else nothing is to be done"
)
_ONE_TYPE = (
    "a shop that sends several events of one order (placed, then paid) has it counted once for each unless they carry "
    "the same event_id: leave one type in the setting purchase_types, then run `alsobought rebuild`"
)
_QUOTED = (
    "the key stands in JSON quotes, as a JSON serializer writes it; most likely the customer without the quotes is "
    "meant: send the null value again with the bare id as key"
)
_PADDED = "the key has blanks at its ends: send the null value again without them"
_JSON = "the key is JSON, and no id: send the null value again with the profile id itself as key"
_UNKNOWN = (
    "no purchase is known under this key: the customer was forgotten before or never bought, or the key is not the "
    "profile_id of the purchases, or came on another partition; `alsobought forgotten PROFILE_ID` looks for it"
)


@dataclass(slots=True)
class OddEvents:
    """For the loop's thread alone."""

    say: Callable[..., Any] = field(default_factory=lambda: log.warning)  # not before logging is set up
    clock_s: Callable[[], float] = time.monotonic
    _skipped: Counter[str] = field(default_factory=Counter)  # since the last line, by type
    _known: set[str] = field(default_factory=set)  # what was said before
    _said_s: dict[str, float] = field(default_factory=dict)  # line -> when
    _nobody: int = 0

    def skip(self, event_type: str) -> None:
        """An event of this type, as it may be shown, was no purchase."""
        self._skipped[event_type] += 1

    def forgot_nobody(self, record: Record) -> None:
        """A null value hit no customer."""
        self._nobody += 1
        cause = likely_cause(record.key or b"")
        if self._is_due("forgot_nobody", cause):
            self.say(
                "forgot_nobody",
                count=self._nobody,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                action=cause,
            )
            self._nobody = 0

    def took(self, types: set[str]) -> None:
        """These types were counted as purchases so far."""
        if len(types) > 1 and self._is_due("purchases_of_several_types", *types):
            self.say("purchases_of_several_types", types=sorted(types), action=_ONE_TYPE)

    def turn(self) -> None:
        """Say what was skipped, if it is time."""
        if self._skipped and self._is_due("events_skipped", *self._skipped):
            self.say("events_skipped", types=dict(self._skipped), why="no purchase, by their type", action=_NAME_IT)
            self._skipped.clear()

    def _is_due(self, line: str, *news: str) -> bool:
        """Whether the line says something new, or was not said for a while."""
        new = not self._known.issuperset(news)
        now_s = self.clock_s()
        if not new and (line == "purchases_of_several_types" or now_s - self._said_s.get(line, now_s) < _EVERY_S):
            return False
        self._known.update(news)
        self._said_s[line] = now_s
        return True


def likely_cause(key: bytes) -> str:
    """Why a null value under this key hit nobody, and what to do; no word of it repeats the key."""
    bare = key.strip()
    if bare[:1] == bare[-1:] == b'"' and len(bare) > 1:
        return _QUOTED
    if bare[:1] in (b"{", b"["):
        return _JSON
    if bare != key or key.decode(errors="replace").strip() != key.decode(errors="replace"):
        return _PADDED
    return _UNKNOWN
