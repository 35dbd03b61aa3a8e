"""What is opened before the worker is put together, and what every part of it stands on."""

from dataclasses import dataclass
from itertools import chain

import structlog

from config.settings import Settings
from consumers.ingest.missing_records import MissingRecords
from consumers.kafka.clients import KafkaClients
from consumers.kafka.hearing import BrokerHearing
from consumers.kafka.retention import TopicPolicies
from consumers.kafka.topics import Topics
from consumers.observability.metrics import Metrics
from consumers.pace import Pace
from model.signals.demand import Demand
from model.signals.recent_buyers import RecentBuyers
from model.store.plan import Applied
from model.store.reader import read_histories
from model.store.writer import Store
from serving.protocol.shown_products import ShownProducts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Base:
    """What everything else is built on."""

    settings: Settings
    metrics: Metrics
    clients: KafkaClients
    topics: Topics
    cluster: str
    partition_count: int  # of purchases and of requests
    store: Store
    demand: Demand
    buyers: RecentBuyers
    pace: Pace
    policies: TopicPolicies
    missing: MissingRecords
    hearing: BrokerHearing

    @property
    def serves(self) -> bool:
        """Whether requests are answered here."""
        return self.settings.role != "trainer"

    @property
    def group(self) -> str:
        """The consumer group: a trainer that is alone reads every partition under its own."""
        return self.settings.group_id if self.serves else f"{self.settings.group_id}-trainer"

    def use_topic(self) -> None:
        """Answer and learn from the topic of purchases that is there now, and count what it sold."""
        name = self.topics.names.purchases
        set_aside = self.store.use_topic(self.cluster, name, self.topics.topic_id(name))
        if set_aside:
            log.warning(
                "purchases_of_another_topic_set_aside",
                records=set_aside,
                topic=name,
                cluster=self.cluster,
                action="this topic is read from where it was left, or from its start; the others stay in the file",
            )
        self.demand.forget()
        histories = read_histories(self.store.path)
        self.demand.add(histories.products, histories.times)
        self.buyers.load(histories)

    def sold(self, shown: ShownProducts, applied: Applied) -> None:
        """A batch of purchases was written: what sells, what was paid, and who bought."""
        if len(applied.products):
            self.demand.add(applied.products, applied.times)
            shown.paid(applied.products.tolist())
        self.buyers.changed(chain(applied.buyers.tolist(), applied.gone))
