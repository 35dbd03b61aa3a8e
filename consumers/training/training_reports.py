"""What the trainer tells of, brought into metrics and log: trainings and their verdicts, progress, damage, delays.

In: an event's name and what there is to say of it, from the trainer's pipe. For the loop's thread.
"""

from typing import Any

import structlog

from consumers.observability.metrics import Metrics
from consumers.observability.training_log import TrainingLog

log = structlog.get_logger(__name__)


class TrainingReports:
    """Counts and says what was told."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = TrainingLog()

    def heard(self, event: str, about: dict[str, Any]) -> None:
        """Take up one event."""
        if event == "progress":
            self._metrics.trainings.progress.set(about["done"])
            self._log.heard(about["what"], about["done"], about.get("brand"))
        elif event == "refused":
            log.error("model_damaged", **about)
        elif event == "unannounced":
            log.warning("model_not_announced", **about, action="trying again")
        else:
            self._metrics.trainings.ended(event).inc()
            self._report(event, about)

    def broken_off(self) -> None:
        """The trainer died, and what it was learning with it."""
        self._metrics.trainings.restarts.inc()
        self._metrics.trainings.progress.set(0)
        self._log.heard("", 0.0)

    def _report(self, event: str, about: dict[str, Any]) -> None:
        if event == "trained":
            self._metrics.trainings.seconds(about["kind"]).observe(about["seconds"])
            self._count_verdict(about)
            log.info("model_trained", **about)
            if about["verdict"] == "refused":
                log.warning("candidate_refused", version=about["version"], why=about["why"])
        elif event == "too_little_data":
            log.info("too_little_data_to_learn", **about)
        else:
            log.error("training_failed", **about)

    def _count_verdict(self, about: dict[str, Any]) -> None:
        self._metrics.trainings.gate_verdicts(about["outcome"]).inc()
        if about.get("brand"):
            return
        for contender in ("candidate", "serving", "popular"):
            ndcg = about[f"{contender}_ndcg"]
            if ndcg is not None:
                self._metrics.trainings.gate_ndcg(contender).set(ndcg)
            elif about["verdict"] != "unjudged":
                self._metrics.trainings.gate_ndcg.forget(contender)
