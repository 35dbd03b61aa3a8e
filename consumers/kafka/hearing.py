"""When a broker was last heard: a connection that is held says nothing, and no call fails for a minute.

In: librdkafka's statistics of the worker's own consumer, a text every two seconds. Out: the seconds of silence.
Promise: nothing is asked of a broker for it, since a consumer hears an answer to each fetch and heartbeat.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
import structlog

log = structlog.get_logger(__name__)
INTERVAL_MS = 2000


class _Broker(msgspec.Struct):
    rx: int = 0  # answers received


class _Statistics(msgspec.Struct):
    brokers: Mapping[str, _Broker] = {}


_DECODER = msgspec.json.Decoder(_Statistics)


@dataclass(slots=True)
class BrokerHearing:
    """`on_statistics` and `turn` belong to the loop's thread, `silence_s` to any."""

    limit_s: float
    clock_s: Callable[[], float] = time.monotonic
    _answers: int = -1
    _heard_at_s: float = field(default=0.0)
    _silent: bool = False

    def __post_init__(self) -> None:
        """Whoever has just started has just heard the broker."""
        self._heard_at_s = self.clock_s()

    def on_statistics(self, text: str | bytes) -> None:
        """Take librdkafka's statistics."""
        answers = sum(broker.rx for broker in _DECODER.decode(text).brokers.values())
        if answers != self._answers:
            self.turn()  # a silence that ended while the loop was held up is said all the same
            self._answers, self._heard_at_s = answers, self.clock_s()

    def silence_s(self) -> float:
        """Seconds since an answer of any broker came."""
        return max(self.clock_s() - self._heard_at_s, 0.0)

    @property
    def is_silent(self) -> bool:
        """Whether that is longer than it may be."""
        return self.silence_s() > self.limit_s

    def turn(self) -> None:
        """Say when it becomes silent, and when it is heard again."""
        if self.is_silent == self._silent:
            return
        self._silent = not self._silent
        if self._silent:
            action = "not ready until a broker answers; see the brokers and what lies between"
            log.error("kafka_silent", silence_s=round(self.silence_s(), 1), limit_s=self.limit_s, action=action)
        else:
            log.info("kafka_heard_again")
