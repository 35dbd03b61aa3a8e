"""When to learn next: enough is new, or there is something new and time has passed, and no bulk import is going on."""

from dataclasses import dataclass, field

from consumers.pace import Pace

_SETTLED_SHARE = 0.02  # of all events: while a check brings more, a bulk import is going on


@dataclass(slots=True)
class Due:
    """When to learn next: enough is new, or there is something new and time has passed."""

    min_new_events: int
    max_wait_s: float
    pace: Pace = field(default_factory=Pace)
    learnt_events: int = 0  # at the last attempt
    learnt_at_s: float = 0.0
    has_model: bool = False
    _not_before_s: float = 0.0
    _seen: int = 0
    _busy_since_s: float | None = None

    def check(self, events: int, now_s: float) -> bool:
        """Whether it is time, given all events so far. `now_s` is monotonic."""
        grown, self._seen = events - self._seen, events
        new = events - self.learnt_events
        if new < 0:  # another topic, or a rebuilt file
            self.learnt_events, new = 0, events
        if now_s < self._not_before_s:
            return False
        wait_s = self.max_wait_s if self.has_model else min(self.max_wait_s, self.pace.first_wait_s)
        if new < self.min_new_events and (not new or now_s - self.learnt_at_s < wait_s):
            return False
        if grown > max(_SETTLED_SHARE * events, 1):
            self._busy_since_s = now_s if self._busy_since_s is None else self._busy_since_s
            if now_s - self._busy_since_s < self.pace.settle_s:
                return False
        self._busy_since_s = None
        return True

    def attempted(self, events: int, now_s: float, *, has_model: bool) -> None:
        """Learning was tried with this many events."""
        self.learnt_events, self.learnt_at_s = events, now_s
        self.has_model = self.has_model or has_model

    def failed(self, learnt_events: int, now_s: float) -> None:
        """The attempt failed for no lack of purchases: what was new stays new, to be tried again in a minute."""
        self.learnt_events = learnt_events
        self._not_before_s = now_s + self.pace.retry_s
