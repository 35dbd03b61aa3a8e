"""Metrics of what is learnt: trainings, the gate, and the models that answer."""

import time

from consumers.observability.families import Families, Labelled

_TRAINING_S = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)


class TrainingMetrics:
    """Trainings and the gate."""

    def __init__(self, families: Families) -> None:
        self.seconds = Labelled(
            families.histogram("training_seconds", "Seconds of a training: full or incremental.", _TRAINING_S, "kind")
        )
        self.ended = Labelled(families.counter("trainings_total", "Trainings by how they ended.", "outcome"))
        self.progress = families.gauge(
            "training_progress", "How far the training that runs now has come, 0 to 1; 0 while none runs."
        )
        self.restarts = families.counter(
            "trainer_restarts_total", "Times the training process had died and was started again."
        )
        self.gate_verdicts = Labelled(
            families.counter(
                "gate_verdicts_total",
                "New models by what the gate found: accepted, worse (than the one that answers), not_above_popular "
                "(recent popularity does as well) or unjudged (too few customers).",
                "outcome",
            )
        )
        for outcome in ("accepted", "worse", "not_above_popular", "unjudged"):
            self.gate_verdicts(outcome)
        self.gate_ndcg = Labelled(
            families.gauge(
                "gate_ndcg",
                "Mean NDCG at default_k in the last judgement of a model of every brand, on purchases that none had "
                "learnt: of the candidate, the serving model and recent popularity (popular).",
                "by",
            )
        )


class ModelMetrics:
    """The models that answer."""

    def __init__(self, families: Families) -> None:
        self._made_at_s = float("nan")
        self.info = families.info("model", "The model that answers, none before the first.", "version")
        self.info.info({"version": "none"})
        self.version = families.gauge("model_version", "Number of the model that answers; 0 without one.")
        families.gauge(
            "model_age_seconds", "Seconds since the model that answers was made; NaN without one."
        ).set_function(lambda: time.time() - self._made_at_s)
        self.refused = Labelled(
            families.counter("model_refused_total", "Announced models that were not taken, by reason.", "reason")
        )
        self.swaps = families.counter("model_swaps_total", "Times that a model began to answer.")
        self.index_recall = Labelled(
            families.gauge(
                "index_recall_ratio",
                "Share of the exact best ten that the index of products (kind: customers) or of similar products "
                "(kind: products) finds, measured when it was built; 1 when it compares with all.",
                "kind",
            )
        )
        self.neighbours_waiting = families.gauge(
            "neighbours_waiting", "Customers who bought, and whom the neighbours of others do not know of yet."
        )
        self.kernel_compiled = families.gauge(
            "kernel_compiled",
            "1: the compiled kernel ranks for the models that answer; 0: the reference does, at several times the "
            "processor time, or no model answers.",
        )
        self.vocabulary_products = families.gauge("vocabulary_products", "Products that the model knows.")
        self.brands = families.gauge("brand_models", "Brands with a model of their own that answers.")
        self.brand_version = Labelled(
            families.gauge("brand_model_version", "Number of the brand's own model that answers.", "brand")
        )
        self.brand_made = Labelled(
            families.gauge("brand_model_made_timestamp_seconds", "When it was made, in seconds since 1970.", "brand")
        )
        self.brand_products = Labelled(families.gauge("brand_model_products", "Products that it knows.", "brand"))

    def serve(self, version: str, *, number: int, made_at_s: float, products: int) -> None:
        """Say which model answers from now on; `made_at_s` is when it was made, in seconds since 1970 UTC."""
        self.info.info({"version": version})
        self.version.set(number)
        self.vocabulary_products.set(products)
        self._made_at_s = made_at_s
        self.swaps.inc()
