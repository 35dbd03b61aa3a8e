"""Where tuning looks: the range of each training parameter, always wide enough for the value in force.

The ranges hold what did well or nearly so on five kinds of shops. What a training costs is estimated, not timed, so
that the same seed suggests the same parameters on a busy machine.
"""

from dataclasses import replace
from typing import Any, Protocol

from model.embeddings.parameters import TrainingParameters

TUNED = ("vector_size", "window", "negative", "ns_exponent", "alpha", "epochs", "sample", "min_count")
_SCALED = ("epochs", "sample")

_SIZES = {"vector_size": (32, 256), "window": (5, 100), "negative": (5, 60), "epochs": (8, 80), "min_count": (1, 6)}
_EXPONENTS = (-0.5, 1.0)
_RATES = (0.01, 0.15)
_SAMPLES = (0.0, 3e-5, 1e-4, 3e-4, 1e-3)  # a choice, for 0 is on no logarithmic scale
_OFTEN_GOOD: tuple[dict[str, float], ...] = (
    {"vector_size": 64, "epochs": 15, "alpha": 0.025, "sample": 0.0},  # small baskets
    {"vector_size": 32, "negative": 10},  # as good where purchases are few, and four times as fast
    {"ns_exponent": 0.0},  # rare products are negatives as often as frequent ones
)
_MOST_COST = 3.0  # times the cost of the parameters in force or the defaults: dearer ones are not tried
_OVERHEAD = 32  # numbers of a vector whose arithmetic takes as long as reaching the vector


class Suggests(Protocol):
    """A trial of Optuna, as far as it is asked."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number, both ends included."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number, both ends included."""

    def suggest_categorical(self, name: str, choices: list[float]) -> float:
        """One of the choices."""


def suggested(trial: Suggests, now: TrainingParameters, pairs: int) -> TrainingParameters:
    """The parameters in force with all of `TUNED` as the trial wants them, numbers rounded to two digits.

    What so many customer-product pairs make no use of (see `scaled_to`) stays as it is: nothing was learnt of it.
    """
    sizes: dict[str, Any] = {
        name: trial.suggest_int(name, min(low, getattr(now, name)), max(high, getattr(now, name)), log=True)
        for name, (low, high) in _SIZES.items()
    }
    exponent = trial.suggest_float("ns_exponent", *_around(_EXPONENTS, now.ns_exponent))
    rate = trial.suggest_float("alpha", *_around(_RATES, now.alpha), log=True)
    sample = trial.suggest_categorical("sample", sorted({*_SAMPLES, now.sample}))
    wanted = replace(now, **sizes, ns_exponent=round(exponent, 2), alpha=_two_digits(rate), sample=sample)
    used, before = wanted.scaled_to(pairs), now.scaled_to(pairs)
    idle: dict[str, Any] = {
        name: getattr(now, name) for name in _SCALED if getattr(used, name) == getattr(before, name)
    }
    return replace(wanted, **idle)


def starting_points(now: TrainingParameters) -> list[dict[str, float]]:
    """What is tried first, each once: the parameters in force, the defaults, and these with changes that often help."""
    default = _point(TrainingParameters())
    points = [_point(now), default, *({**default, **change} for change in _OFTEN_GOOD)]
    return [point for at, point in enumerate(points) if point not in points[:at]]


def too_dear(parameters: TrainingParameters, now: TrainingParameters, pairs: int) -> bool:
    """Whether learning so many pairs would take over three times as long as with those in force or the defaults.

    The longer of the two counts: what is in force may be cheap because it is poor.
    """
    most = _MOST_COST * max(_cost(usual.scaled_to(pairs)) for usual in (now, TrainingParameters()))
    return _cost(parameters.scaled_to(pairs)) > most


def _cost(parameters: TrainingParameters) -> float:
    """Learning a product reads and writes the vectors of its context, of its own and of the negative samples."""
    vectors = parameters.window + parameters.negative + 1
    return parameters.epochs * vectors * (parameters.vector_size + _OVERHEAD)


def _point(parameters: TrainingParameters) -> dict[str, float]:
    return {name: getattr(parameters, name) for name in TUNED}


def _around(bounds: tuple[float, float], value: float) -> tuple[float, float]:
    return min(bounds[0], value), max(bounds[1], value)


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
