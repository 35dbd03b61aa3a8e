"""Metrics of what is answered: requests and replies, and how good the answers were."""

from consumers.observability.families import Families, Labelled
from consumers.observability.observed_together import StageTimer
from consumers.observability.vital_signs import RecommendedShare

_FAST_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_REPLY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class AnswerMetrics:
    """Requests and their answers; `recommended` remembers which products were named."""

    def __init__(self, families: Families) -> None:
        self.recommended = RecommendedShare()
        self.replies = Labelled(
            families.counter(
                "answers_total",
                "Replies by what they are made of, and why they are not the model's (none: they are).",
                "strategy",
                "degraded",
            )
        )
        self.request_seconds = families.histogram(
            "request_seconds", "Seconds from a request's record timestamp to its produced reply.", _REPLY_S
        )
        self.stage_seconds = Labelled(
            families.histogram(
                "stage_seconds",
                "Seconds that one batch spends in a stage: decode, histories, search, encode, ingest and others.",
                _FAST_S,
                "stage",
            )
        )
        self._timers: dict[str, StageTimer] = {}
        self.requests_wrong_clock = Labelled(
            families.counter(
                "requests_wrong_clock_total",
                "Answered requests that are left out of request_seconds, since their record timestamp lies more than a "
                "second ahead of the clock, or further behind it than 30 s and request_max_age_ms.",
                "clock",
            )
        )
        for clock in ("ahead", "behind"):
            self.requests_wrong_clock(clock)
        self.requests_expired = families.counter(
            "requests_expired_total", "Requests dropped because their deadline had passed."
        )
        self.error_replies = Labelled(families.counter("error_replies_total", "Error replies, by their code.", "code"))
        families.gauge(
            "catalogue_recommended_ratio",
            "Share of the model's products that were recommended at least once in the last 10,000 to 20,000 answers.",
        ).set_function(self.recommended.ratio)

    def timed(self, stage: str) -> StageTimer:
        """Measures what stands in its block as a stage of one batch; for the loop's thread."""
        timer = self._timers.get(stage)
        if timer is None:
            timer = self._timers[stage] = StageTimer(self.stage_seconds(stage))
        return timer


class AccuracyMetrics:
    """Answers compared with what was bought, as purchases come."""

    def __init__(self, families: Families) -> None:
        of_new = "products that the customer had not bought before"
        self.judged_purchases = Labelled(
            families.counter(
                "judged_purchases_total",
                f"Purchases of known customers that were compared with the answer before they counted: {of_new}.",
                "brand",
            )
        )
        self.judged_unknown = Labelled(
            families.counter(
                "judged_unknown_total", "Of these, those of whose new products the model knew none: misses.", "brand"
            )
        )
        self.repurchases = Labelled(
            families.counter(
                "repurchases_total", f"Sampled purchases that were not judged, since they held no {of_new}.", "brand"
            )
        )
        self.hits = Labelled(
            families.counter(
                "hits_total",
                "Judged purchases of which the answer (by: model) or the list of what sells lately (popularity) named "
                "a product.",
                "by",
                "brand",
            )
        )
        self.reciprocal_ranks = Labelled(
            families.counter(
                "reciprocal_ranks_total", "Sum of 1 / place of the first product so named; 0 for a miss.", "by", "brand"
            )
        )
        of_last = "of the last accuracy_window_purchases judged purchases; brand * is all of them."
        self.hit_rate = Labelled(families.gauge("hit_rate", f"Share of hits {of_last}", "by", "brand"))
        self.mrr = Labelled(families.gauge("mrr", f"Mean reciprocal rank {of_last}", "by", "brand"))
