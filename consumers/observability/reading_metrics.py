"""Metrics of what is read: records and what became of them, partitions and the loop."""

from consumers.observability.brand_labels import BrandLabels
from consumers.observability.families import Families, Labelled
from consumers.observability.vital_signs import Heartbeat

_OUTCOMES = ("applied", "duplicate", "replayed", "forgotten", "forgot_nobody", "skipped", "misrouted", "dead")
_EVENT_TYPES = 50  # that have a series of their own


class RecordMetrics:
    """Records that are read: what became of each, what is lost, what is committed."""

    def __init__(self, families: Families) -> None:
        self.event_type_label = BrandLabels(_EVENT_TYPES)
        self.events = Labelled(
            families.counter(
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
            families.counter(
                "skipped_events_total",
                "Events on purchases that are no purchase, by type; beyond 50 types all further ones are other.",
                "type",
            )
        )
        self.dead_letters = Labelled(
            families.counter(
                "dead_letters_total", "Records sent to the dead-letter topic, by reason.", "topic", "reason"
            )
        )
        self._declare_losses(families)
        self.commit_failures = families.counter(
            "commit_failures_total",
            "Commits of offsets to Kafka that failed; they only feed lag tools, so nothing is lost.",
        )

    def _declare_losses(self, families: Families) -> None:
        self.history_lost_records = families.counter(
            "history_lost_records_total",
            "Records that Kafka had deleted or compacted away before they were read; anything but 0 is bad.",
        )
        self.history_missing = Labelled(
            families.gauge(
                "history_missing_records",
                "Records of the owned partitions of purchases that were gone before this database read them, since it "
                "was made: by retention (deleted at the beginning), by compaction, or unclear (an offset without a "
                "record in a topic that is not compacted: a transaction's marker, or compacted away earlier).",
                "reason",
            )
        )
        self.topic_loses_records = Labelled(
            families.gauge(
                "topic_loses_records", "1 for a topic whose policy deletes what must be kept; see the log.", "topic"
            )
        )


class PartitionMetrics:
    """Partitions, and the loop that reads them."""

    def __init__(self, families: Families) -> None:
        self.heartbeat = Heartbeat()
        self.lag = Labelled(
            families.gauge(
                "lag_records",
                "Records of a partition that are not handled yet; of purchases: not stored in SQLite yet.",
                "topic",
                "partition",
            )
        )
        self.owned = families.gauge("partitions_owned", "Partitions of purchases that this worker owns.")
        self.restoring = families.gauge(
            "partitions_restoring", "Owned partitions whose history is still being read, and whose requests wait."
        )
        self.rebalances = Labelled(
            families.counter("rebalances_total", "Changes of the owned partitions: assigned, revoked or lost.", "kind")
        )
        for kind in ("assigned", "revoked", "lost"):
            self.rebalances(kind)
        families.gauge(
            "loop_heartbeat_age_seconds", "Seconds since the loop last took a turn; it grows when the loop hangs."
        ).set_function(self.heartbeat.age_s)
        self.kafka_silence = families.gauge(
            "kafka_silence_seconds", "Seconds since the worker's consumer had an answer of any broker."
        )
        self.loop_too_slow = families.counter(
            "loop_too_slow_total",
            "Turns of the loop that took longer than max.poll.interval.ms, so that Kafka gave its partitions away.",
        )
