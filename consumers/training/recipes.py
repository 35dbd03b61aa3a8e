"""The settings that decide what is learnt, as the model package wants them."""

from config.settings import Settings
from model.embeddings.parameters import TrainingParameters
from model.ranking.parameters import Scoring
from model.training.gate import GateRules
from model.training.learning import Recipe
from model.training.schedule import Limits


def recipe_of(settings: Settings, brand_id: str | None = None) -> Recipe:
    """The recipe in force."""
    return Recipe(
        parameters=TrainingParameters(
            vector_size=settings.vector_size,
            window=settings.window,
            negative=settings.negative,
            ns_exponent=settings.ns_exponent,
            alpha=settings.alpha,
            epochs=settings.epochs,
            sample=settings.subsample,
            min_count=settings.min_count,
            seed=settings.seed,
            min_customers=settings.train_min_customers,
        ),
        scoring=Scoring(
            scale=settings.scale,
            popularity_weight=settings.popularity_weight,
            recency=settings.recency,
            trend_weight=settings.trend_weight,
            trend_days=settings.trend_days,
        ),
        limits=Limits(
            vocabulary_growth=settings.full_rebuild_growth,
            updates=settings.full_rebuild_updates,
            age_s=settings.full_rebuild_hours * 3600,
        ),
        brand_id=brand_id,
        parts=[
            part
            for part, wanted in (("neighbours", settings.neighbour_votes), ("votes", settings.product_votes))
            if wanted
        ],
        calibrate_every_s=settings.calibrate_hours * 3600,
    )


def gate_of(settings: Settings) -> GateRules:
    """The gate's rules in force."""
    return GateRules(margin=settings.gate_margin, k=settings.default_k, customers=settings.gate_customers)
