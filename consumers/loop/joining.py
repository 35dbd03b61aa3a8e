"""Why a worker that has started has no partitions yet: the group may still wait for one that was killed.

In: whether partitions were assigned, asked at every turn. Out: a line after some seconds, then rarely, with how long
it can take.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)
_PATIENCE_S = 3.0
_AGAIN_S = 20.0
_SESSION_S = 45.0  # the client's default, and the brokers' for the newer protocol


@dataclass(slots=True)
class Joining:
    """Belongs to the loop's thread; `assigned` says whether the group has handed out partitions."""

    assigned: Callable[[], bool]
    group: str
    session_s: float = _SESSION_S
    named: bool = False  # whether this worker has a group_instance_id
    clock_s: Callable[[], float] = time.monotonic
    _began_s: float = field(init=False)
    _say_at_s: float = field(init=False)

    def __post_init__(self) -> None:
        """It joins now."""
        self._began_s = self.clock_s()
        self._say_at_s = self._began_s + _PATIENCE_S

    def turn(self) -> None:
        """Say that it waits, or that it has waited long enough."""
        if self.assigned():
            self._say_at_s = float("inf")
            return
        now_s = self.clock_s()
        if now_s < self._say_at_s:
            return
        self._say_at_s = now_s + _AGAIN_S
        waited_s = now_s - self._began_s
        log.warning(
            "waiting_for_partitions",
            group=self.group,
            since_s=round(waited_s, 1),
            at_most_s=round(max(self.session_s - waited_s, 0.0), 1),
            message=(
                f"the group {self.group} gives out no partitions yet: it still waits for a member that ended without "
                f"leaving, until that one's session is over, {self.session_s:g} s after its last sign "
                "(session.timeout.ms), or for one that is just joining; or other workers have them all"
            ),
            action=None if self.named else "with a group_instance_id they come back at once after a crash",
        )


def session_s(properties: Mapping[str, str], protocol: str) -> float:
    """How long a member that was killed is waited for, in seconds; of the newer protocol the brokers' default."""
    given = properties.get("session.timeout.ms") if protocol == "classic" else None
    return int(given) / 1000 if given is not None and given.isdigit() else _SESSION_S
