"""A worker on an embedded broker, in this process, with a responder that says what it was asked."""

import json
import math
import time
from itertools import count

from confluent_kafka import TopicPartition

from consumers.decoding.purchases import PurchaseDecoder
from consumers.ingest.dead_letters import DeadLetters
from consumers.kafka.clients import KafkaClients
from consumers.kafka.embedded_broker import CONSUMER_PROPERTIES
from consumers.loop.answering import Reply
from consumers.loop.partitions import Partitions
from consumers.loop.worker import Worker
from consumers.observability.metrics import Metrics
from model.store.writer import Store
from tests.builders.topics import records_on

TOPICS = {"purchases": 2, "requests": 2, "replies": 1, "dead": 1}
_worlds = count()


def clients_of(broker):
    return KafkaClients(broker.bootstrap, {name: str(value) for name, value in CONSUMER_PROPERTIES.items()})


class Echo:
    """Answers each request with its own offset and the purchases known of its customer."""

    def __init__(self, store, replies):
        self.store = store
        self.replies = replies
        self.asked = []

    def deadlines_ms(self, records):
        return [math.inf] * len(records)

    def respond(self, records):
        for record in records:
            self.asked.append(record)
            known = len(self.store.histories([record.key.decode()]).products)
            yield Reply(self.replies, -1, record.key, str(known).encode(), headers=[])


class World:
    """The parts, to be stepped by hand."""

    def __init__(self, broker, path, like=None, **worker):
        """Topics and a group of its own, or those of another world; `worker` are parts of the worker."""
        self.suffix = like.suffix if like else f"-{next(_worlds)}"
        for topic, partitions in () if like else TOPICS.items():
            broker.create_topic(topic + self.suffix, partitions)
        self.clients = clients_of(broker)
        self.metrics = Metrics()
        self.producer = self.clients.producer()
        self.store = Store(path)
        self.topic_id = "id-1"
        self.new_topics = 0
        self.partitions = Partitions(
            store=self.store,
            metrics=self.metrics,
            cluster_id="cluster",
            purchases=self.topic("purchases"),
            requests=self.topic("requests"),
            topic_id=lambda: self.topic_id,
            incremental=False,
            on_new_topic=self._new_topic,
        )
        self.responder = Echo(self.store, self.topic("replies"))
        self.consumer = self.clients.consumer(
            "workers" + self.suffix, partition_assignment_strategy="range", enable_partition_eof="true"
        )
        self.worker = Worker(
            consumer=self.consumer,
            producer=self.clients.producer(),
            store=self.store,
            decoder=PurchaseDecoder(),
            dead_letters=DeadLetters(self.clients.producer(), self.topic("dead")),
            partitions=self.partitions,
            partition_count=2,
            metrics=self.metrics,
            responder=self.responder,
            listeners=[],
            on_applied=lambda _applied: None,
            check_topics=lambda: None,
            **worker,
        )

    def topic(self, name):
        return name + self.suffix

    def _new_topic(self):
        self.new_topics += 1
        self.store.use_topic("cluster", self.topic("purchases"), self.topic_id)

    def send(self, topic, value, *, key=b"ada", partition=0, headers=()):
        raw = json.dumps(value).encode() if isinstance(value, dict) else value
        self.producer.produce(self.topic(topic), key=key, value=raw, partition=partition, headers=list(headers))
        self.producer.flush(5)

    def buy(self, *products, profile="ada", partition=0, event_id=None):
        items = [{"product_id": product} for product in products]
        self.send("purchases", {"profile_id": profile, "event_id": event_id, "items": items}, partition=partition)

    def run_until(self, reached, within_s=10.0):
        """Turn the loop until something is so, then leave as on SIGTERM."""
        give_up = time.monotonic() + within_s
        seen = []

        def done():
            if reached():
                seen.append(True)
            return bool(seen) or time.monotonic() > give_up

        self.worker.run(done)
        assert seen, f"not reached within {within_s} s"
        for partition in (0, 1):  # to be looked into
            self.store.open_log("cluster", self.topic("purchases"), self.topic_id, partition)

    def begin(self):
        """Subscribe and turn until partitions are assigned, to be stepped on by hand."""
        self.worker.subscribe()
        self.step_until(lambda: self.partitions.assigned)

    def step_until(self, reached, within_s=10.0):
        give_up = time.monotonic() + within_s
        while not reached():
            assert time.monotonic() < give_up, f"not reached within {within_s} s"
            self.worker.step()

    def bought(self, profile="ada"):
        numbers = self.store.histories([profile]).products
        return [self.store.products()[number].product_id for number in numbers]

    def replies(self):
        return [record.value for record in records_on(self.clients, self.topic("replies"))]

    def dead(self):
        return list(records_on(self.clients, self.topic("dead")))

    def metric(self, name, **labels):
        if "topic" in labels:
            labels["topic"] += self.suffix
        return self.metrics.registry.get_sample_value(f"alsobought_{name}", labels)

    def committed(self, topic, partition=0):
        reader = self.clients.consumer("workers" + self.suffix)
        (found,) = reader.committed([TopicPartition(self.topic(topic), partition)], timeout=5)
        reader.close()
        return found.offset
