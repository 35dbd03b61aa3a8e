"""When may the offset of a request be committed? When its reply, and every reply before it, has been delivered.

Replies are produced without waiting. They are counted in spans of about a second: a span is done when all its replies
are reported, and spans are committed in order, so a crash repeats replies and never loses one.
"""

from collections import deque
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message


@dataclass(slots=True)
class Span:
    """Requests read one after the other, and how many of their replies are under way."""

    offsets: dict[tuple[str, int], int] = field(default_factory=dict)  # (topic, partition) -> next offset
    waiting: int = 0
    failed: int = 0

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        """A reply's delivery report. A failed one is counted: whoever asked has to ask again."""
        self.waiting -= 1
        self.failed += error is not None


class Deliveries:
    """The spans that are not yet committed; the last one is open."""

    def __init__(self) -> None:
        self._spans: deque[Span] = deque([Span()])
        self.failed = 0

    @property
    def open(self) -> Span:
        """The span that requests read now belong to."""
        return self._spans[-1]

    @property
    def waiting(self) -> int:
        """Replies under way."""
        return sum(span.waiting for span in self._spans)

    def committable(self) -> dict[tuple[str, int], int]:
        """The next offsets of all spans that are done, which are dropped; a new span begins."""
        done: dict[tuple[str, int], int] = {}
        while self._spans and not self._spans[0].waiting:
            span = self._spans.popleft()
            done |= span.offsets
            self.failed += span.failed
        if not self._spans or self._spans[-1].offsets:
            self._spans.append(Span())
        return done

    def forget(self, topic: str, partition: int) -> None:
        """The partition is another worker's: its offsets are no longer ours to commit."""
        for span in self._spans:
            span.offsets.pop((topic, partition), None)
