"""Every number that Prometheus can scrape, each with a sentence of help, by area, in a registry of its own.

In: one call per batch or per happening from the loop's thread. Out: the registry that HTTP serves from another thread.
The promise: no label ever holds a customer or a product, so the number of series stays small for ever.
"""

from prometheus_client import CollectorRegistry

from consumers.observability.answering_metrics import AccuracyMetrics, AnswerMetrics
from consumers.observability.brand_labels import BrandLabels
from consumers.observability.families import DescribedMetric, Families
from consumers.observability.learning_metrics import ModelMetrics, TrainingMetrics
from consumers.observability.reading_metrics import PartitionMetrics, RecordMetrics


class Metrics:
    """All metrics of one process; build it once and hand it in. So many `brands` get labels of their own."""

    def __init__(self, brands: int = 20) -> None:
        families = Families()
        self._families = families
        self.brand_label = BrandLabels(brands)
        self.records = RecordMetrics(families)
        self.partitions = PartitionMetrics(families)
        self.answers = AnswerMetrics(families)
        self.accuracy = AccuracyMetrics(families)
        self.trainings = TrainingMetrics(families)
        self.model = ModelMetrics(families)
        families.declare_process()

    @property
    def registry(self) -> CollectorRegistry:
        """What is scraped."""
        return self._families.registry

    def described(self) -> list[DescribedMetric]:
        """Return every metric of ours, in the order of the documentation."""
        return list(self._families.described)
