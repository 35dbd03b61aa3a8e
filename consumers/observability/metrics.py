"""Every number that Prometheus can scrape, each with a sentence of help, in a registry of its own.

In: one call per batch or per happening from the loop's thread. Out: the registry that HTTP serves from another thread.
The promise: no label ever holds a customer or a product, so the number of series stays small for ever.
"""

import time
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from consumers.observability.brand_labels import BrandLabels
from consumers.observability.vital_signs import Heartbeat, RecommendedShare

_PREFIX = "alsobought_"
_FAST_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_REPLY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_OUTCOMES = ("applied", "duplicate", "replayed", "forgotten", "forgot_nobody", "skipped", "misrouted", "dead")
_EVENT_TYPES = 50  # that have a series of their own
_TRAINING_S = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)

Family = TypeVar("Family", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class DescribedMetric:
    """A metric as the documentation lists it: its full name, its Prometheus type, its labels and its help."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class Labelled(Generic[Family]):
    """A metric with labels: `metric(value, …)` is the child of these label values, found by one dictionary look-up."""

    def __init__(self, family: Family) -> None:
        self._family: Family = family
        self._children: dict[tuple[str | int, ...], Family] = {}

    def __call__(self, *labels: str | int) -> Family:
        """Return the child; the label values stand in the order in which the labels were declared."""
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._family.labels(*map(str, labels))
        return child

    def forget(self, *labels: str | int) -> None:
        """Let a child that has lost its meaning, such as a partition that moved away, vanish from the next scrape."""
        if self._children.pop(labels, None) is not None:
            self._family.remove(*map(str, labels))


class Metrics:
    """All metrics of one process; build it once and hand it in.

    `heartbeat` and `recommended` are the two that remember something; their gauges are computed when scraped. So many
    `brands` get labels of their own.
    """

    def __init__(self, brands: int = 20) -> None:
        # Else every counter would come with a second series, its time of birth.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
        self.registry = CollectorRegistry()
        self.heartbeat = Heartbeat()
        self.recommended = RecommendedShare()
        self.brand_label = BrandLabels(brands)
        self.event_type_label = BrandLabels(_EVENT_TYPES)
        self._model_made_at_s = float("nan")
        self._described: list[DescribedMetric] = []
        self._declare_records()
        self._declare_partitions()
        self._declare_answers()
        self._declare_accuracy()
        self._declare_trainings()
        self._declare_model()
        ProcessCollector(registry=self.registry)

    def described(self) -> list[DescribedMetric]:
        """Return every metric of ours, in the order of the documentation."""
        return list(self._described)

    def serve_model(self, version: str, *, number: int, made_at_s: float, products: int) -> None:
        """Say which model answers from now on; `made_at_s` is when it was made, in seconds since 1970 UTC."""
        self.model_info.info({"version": version})
        self.model_version.set(number)
        self.vocabulary_products.set(products)
        self._model_made_at_s = made_at_s
        self.model_swaps.inc()

    def _declare_records(self) -> None:
        self.events = Labelled(
            self._counter(
                "events_total",
                "Purchase events by what became of them: applied, duplicate (its id was seen lately), replayed "
                "(already stored), forgotten (a customer was erased), forgot_nobody (a null value under whose key "
                "nobody is known), skipped (of another type than a purchase), misrouted (on a wrong partition) or "
                "dead.",
                "outcome",
            )
        )
        for outcome in _OUTCOMES:
            self.events(outcome)
        self.skipped_events = Labelled(
            self._counter(
                "skipped_events_total",
                "Events on purchases that are no purchase, by type; beyond 50 types all further ones are other.",
                "type",
            )
        )
        self.dead_letters = Labelled(
            self._counter("dead_letters_total", "Records sent to the dead-letter topic, by reason.", "topic", "reason")
        )
        self.history_lost_records = self._counter(
            "history_lost_records_total",
            "Records that Kafka had deleted or compacted away before they were read; anything but 0 is bad.",
        )
        self.history_missing = Labelled(
            self._gauge(
                "history_missing_records",
                "Records of the owned partitions of purchases that were gone before this database read them, since it "
                "was made: by retention (deleted at the beginning), by compaction, or unclear (an offset without a "
                "record in a topic that is not compacted: a transaction's marker, or compacted away earlier).",
                "reason",
            )
        )
        self.topic_loses_records = Labelled(
            self._gauge(
                "topic_loses_records", "1 for a topic whose policy deletes what must be kept; see the log.", "topic"
            )
        )
        self.commit_failures = self._counter(
            "commit_failures_total",
            "Commits of offsets to Kafka that failed; they only feed lag tools, so nothing is lost.",
        )

    def _declare_partitions(self) -> None:
        self.lag_records = Labelled(
            self._gauge(
                "lag_records",
                "Records of a partition that are not handled yet; of purchases: not stored in SQLite yet.",
                "topic",
                "partition",
            )
        )
        self.partitions_owned = self._gauge("partitions_owned", "Partitions of purchases that this worker owns.")
        self.partitions_restoring = self._gauge(
            "partitions_restoring", "Owned partitions whose history is still being read, and whose requests wait."
        )
        self.rebalances = Labelled(
            self._counter("rebalances_total", "Changes of the owned partitions: assigned, revoked or lost.", "kind")
        )
        for kind in ("assigned", "revoked", "lost"):
            self.rebalances(kind)
        self._gauge(
            "loop_heartbeat_age_seconds", "Seconds since the loop last took a turn; it grows when the loop hangs."
        ).set_function(self.heartbeat.age_s)
        self.kafka_silence = self._gauge(
            "kafka_silence_seconds", "Seconds since the worker's consumer had an answer of any broker."
        )
        self.loop_too_slow = self._counter(
            "loop_too_slow_total",
            "Turns of the loop that took longer than max.poll.interval.ms, so that Kafka gave its partitions away.",
        )

    def _declare_answers(self) -> None:
        self.answers = Labelled(
            self._counter(
                "answers_total",
                "Replies by what they are made of, and why they are not the model's (none: they are).",
                "strategy",
                "degraded",
            )
        )
        self.request_seconds = self._histogram(
            "request_seconds", "Seconds from a request's record timestamp to its produced reply.", _REPLY_S
        )
        self.stage_seconds = Labelled(
            self._histogram(
                "stage_seconds",
                "Seconds that one batch spends in a stage: decode, histories, search, encode, ingest and others.",
                _FAST_S,
                "stage",
            )
        )
        self.requests_wrong_clock = Labelled(
            self._counter(
                "requests_wrong_clock_total",
                "Answered requests that are left out of request_seconds, since their record timestamp lies more than a "
                "second ahead of the clock, or further behind it than 30 s and request_max_age_ms.",
                "clock",
            )
        )
        for clock in ("ahead", "behind"):
            self.requests_wrong_clock(clock)
        self.requests_expired = self._counter(
            "requests_expired_total", "Requests dropped because their deadline had passed."
        )
        self.error_replies = Labelled(self._counter("error_replies_total", "Error replies, by their code.", "code"))
        self._gauge(
            "catalogue_recommended_ratio",
            "Share of the model's products that were recommended at least once in the last 10,000 to 20,000 answers.",
        ).set_function(self.recommended.ratio)

    def _declare_accuracy(self) -> None:
        of_new = "products that the customer had not bought before"
        self.judged_purchases = Labelled(
            self._counter(
                "judged_purchases_total",
                f"Purchases of known customers that were compared with the answer before they counted: {of_new}.",
                "brand",
            )
        )
        self.judged_unknown = Labelled(
            self._counter(
                "judged_unknown_total", "Of these, those of whose new products the model knew none: misses.", "brand"
            )
        )
        self.repurchases = Labelled(
            self._counter(
                "repurchases_total", f"Sampled purchases that were not judged, since they held no {of_new}.", "brand"
            )
        )
        self.hits = Labelled(
            self._counter(
                "hits_total",
                "Judged purchases of which the answer (by: model) or the list of what sells lately (popularity) named "
                "a product.",
                "by",
                "brand",
            )
        )
        self.reciprocal_ranks = Labelled(
            self._counter(
                "reciprocal_ranks_total", "Sum of 1 / place of the first product so named; 0 for a miss.", "by", "brand"
            )
        )
        of_last = "of the last accuracy_window_purchases judged purchases; brand * is all of them."
        self.hit_rate = Labelled(self._gauge("hit_rate", f"Share of hits {of_last}", "by", "brand"))
        self.mrr = Labelled(self._gauge("mrr", f"Mean reciprocal rank {of_last}", "by", "brand"))

    def _declare_trainings(self) -> None:
        self.training_seconds = Labelled(
            self._histogram("training_seconds", "Seconds of a training: full or incremental.", _TRAINING_S, "kind")
        )
        self.trainings = Labelled(self._counter("trainings_total", "Trainings by how they ended.", "outcome"))
        self.training_progress = self._gauge(
            "training_progress", "How far the training that runs now has come, 0 to 1; 0 while none runs."
        )
        self.trainer_restarts = self._counter(
            "trainer_restarts_total", "Times the training process had died and was started again."
        )
        self.gate_verdicts = Labelled(
            self._counter(
                "gate_verdicts_total",
                "New models by what the gate found: accepted, worse (than the one that answers), not_above_popular "
                "(recent popularity does as well) or unjudged (too few customers).",
                "outcome",
            )
        )
        for outcome in ("accepted", "worse", "not_above_popular", "unjudged"):
            self.gate_verdicts(outcome)
        self.gate_ndcg = Labelled(
            self._gauge(
                "gate_ndcg",
                "Mean NDCG at default_k in the last judgement of a model of every brand, on purchases that none had "
                "learnt: of the candidate, the serving model and recent popularity (popular).",
                "by",
            )
        )

    def _declare_model(self) -> None:
        described = self._note("model_info", "info", "The model that answers, none before the first.", "version")
        self.model_info = Info(f"{_PREFIX}model", described, registry=self.registry)
        self.model_info.info({"version": "none"})
        self.model_version = self._gauge("model_version", "Number of the model that answers; 0 without one.")
        self._gauge(
            "model_age_seconds", "Seconds since the model that answers was made; NaN without one."
        ).set_function(lambda: time.time() - self._model_made_at_s)
        self.model_refused = Labelled(
            self._counter("model_refused_total", "Announced models that were not taken, by reason.", "reason")
        )
        self.model_swaps = self._counter("model_swaps_total", "Times that a model began to answer.")
        self.index_recall = Labelled(
            self._gauge(
                "index_recall_ratio",
                "Share of the exact best ten that the index of products (kind: customers) or of similar products "
                "(kind: products) finds, measured when it was built; 1 when it compares with all.",
                "kind",
            )
        )
        self.vocabulary_products = self._gauge("vocabulary_products", "Products that the model knows.")
        self.brand_models = self._gauge("brand_models", "Brands with a model of their own that answers.")
        self.brand_model_version = Labelled(
            self._gauge("brand_model_version", "Number of the brand's own model that answers.", "brand")
        )
        self.brand_model_made = Labelled(
            self._gauge("brand_model_made_timestamp_seconds", "When it was made, in seconds since 1970.", "brand")
        )
        self.brand_model_products = Labelled(self._gauge("brand_model_products", "Products that it knows.", "brand"))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}{name}", self._note(name, "counter", text, *labels), labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}{name}", self._note(name, "gauge", text, *labels), labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        noted = self._note(name, "histogram", text, *labels)
        return Histogram(f"{_PREFIX}{name}", noted, labels, buckets=buckets, registry=self.registry)

    def _note(self, name: str, kind: str, text: str, *labels: str) -> str:
        self._described.append(DescribedMetric(f"{_PREFIX}{name}", kind, labels, text))
        return text
