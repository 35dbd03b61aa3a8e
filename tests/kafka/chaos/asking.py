"""Customers who go on asking in the background while a test breaks things, and what became of their requests.

Open loop: a request is sent when it is due, whether or not the ones before it were answered.
"""

import time
from array import array
from collections.abc import Callable, Mapping

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from tests.kafka.brokers.broker import Broker
from tests.kafka.support.background import Background
from tests.kafka.support.records import Read
from tests.kafka.support.service import ShopTopics
from tests.kafka.support.shop_client import is_record, reader_at_end, to_read

_PATIENCE_S = 120.0
_TURN_S = 0.005
_LATE_S = 3.0  # how much after its deadline a reply may still come, to be counted


class Asking(Background):
    """A context manager: `per_s` requests a second, of whom `customer` names; at the end all replies are awaited.

    With `allowed_s` each request carries that deadline and the end waits little longer. `replies` holds the first
    reply to each, only where `keep` is set; `longest_gap_s` is the longest time between two replies.
    """

    def __init__(
        self,
        broker: Broker,
        topics: ShopTopics,
        customer: Callable[[], str],
        *,
        per_s: float = 30,
        allowed_s: float | None = None,
        body: Mapping[str, object] | None = None,
        keep: bool = True,
    ) -> None:
        super().__init__("those who ask")
        self._broker, self._topics, self._customer = broker, topics, customer
        self.per_s, self._allowed_s, self._body, self._keep = per_s, allowed_s, dict(body or {}), keep
        self.replies: list[Read] = []
        self.sent_at_s = array("d")  # monotonic, by number
        self.latencies_s: list[float] = []  # from sending to reading the reply, in the order of the replies
        self.last_answer_s = self.longest_gap_s = 0.0
        self.repeated = 0
        self._answered = bytearray()  # by number
        self._newest_answered_s = 0.0  # when the newest of the answered requests was sent
        self.refused = 0  # requests that the broker did not take

    @property
    def sent(self) -> int:
        return len(self.sent_at_s)

    @property
    def unanswered(self) -> int:
        """How many requests that the broker took have no reply."""
        return self.sent - self.refused - len(self.latencies_s)

    def answered_since(self, moment_s: float) -> bool:
        """Whether a request that was sent after this moment (monotonic) has its reply."""
        return self._newest_answered_s > moment_s

    def work(self) -> None:
        reader, _ = reader_at_end(self._broker, self._topics.replies)
        producer = Producer(self._broker.client_properties | {"partitioner": "murmur2_random", "log_level": 0})
        began, due = time.monotonic(), 0.0
        try:
            while not self.ended.is_set():
                now = time.monotonic()
                due += (now - began) * self.per_s
                began = now
                for _ in range(int(due)):
                    self._send(producer)
                due -= int(due)
                producer.poll(0)
                self._take(reader.consume(1000, _TURN_S))
            give_up = time.monotonic() + (_PATIENCE_S if self._allowed_s is None else self._allowed_s + _LATE_S)
            while self.unanswered and time.monotonic() < give_up:
                producer.poll(0)
                self._take(reader.consume(1000, 0.1))
        finally:
            producer.flush(1)
            reader.close()

    def _send(self, producer: Producer) -> None:
        number, profile = self.sent, self._customer()
        headers = [("kafka_correlationId", b"%d" % number), ("kafka_replyTopic", self._topics.replies.encode())]
        if self._allowed_s is not None:
            headers.append(("deadline_ms", b"%d" % (1000 * (time.time() + self._allowed_s))))
        self.sent_at_s.append(time.monotonic())
        self._answered.append(0)
        value = msgspec.json.encode({"profile_id": profile, **self._body})
        try:
            producer.produce(self._topics.requests, value, profile.encode(), headers=headers, on_delivery=self._sent)
        except BufferError:
            self.refused += 1

    def _sent(self, error: KafkaError | None, _: Message) -> None:
        self.refused += error is not None

    def _take(self, messages: list[Message]) -> None:
        now = time.monotonic()
        for message in messages:
            if not is_record(message):
                continue
            number = int(dict(message.headers() or ())["kafka_correlationId"])
            if self._answered[number]:
                self.repeated += 1
                continue
            self._answered[number] = 1
            self._note(now, self.sent_at_s[number])
            if self._keep:
                self.replies.append(to_read(message))

    def _note(self, now_s: float, sent_at_s: float) -> None:
        if self.last_answer_s:
            self.longest_gap_s = max(self.longest_gap_s, now_s - self.last_answer_s)
        self.last_answer_s = now_s
        self.latencies_s.append(now_s - sent_at_s)
        self._newest_answered_s = max(self._newest_answered_s, sent_at_s)
