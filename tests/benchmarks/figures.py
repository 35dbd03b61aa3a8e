"""What alternating rounds measured, and how it is shown: medians, spread, and ratios of one round to the same round."""

import math
import statistics
from collections.abc import Sequence

from tests.benchmarks.setting import number, table


class Figures:
    """Figures of alternating rounds: what was measured -> who -> a value for each round."""

    def __init__(self, *who: str) -> None:
        self.who = who
        self.values: dict[str, dict[str, list[float]]] = {}

    def add(self, who: str, **measured: float) -> None:
        """The figures of one round of one of them."""
        for what, value in measured.items():
            self.values.setdefault(what, {name: [] for name in self.who})[who].append(value)

    def median(self, what: str, who: str) -> float:
        return statistics.median(self.values[what][who])

    def ratios(self, what: str, ours: str, yardstick: str) -> list[float]:
        """Ours to the yardstick's, round by round; infinite where the yardstick's is 0."""
        measured = self.values[what]
        pairs = zip(measured[ours], measured[yardstick], strict=True)
        return [one / other if other else math.inf for one, other in pairs]

    def show(self, *, yardstick: str) -> None:
        """A line for each thing measured and each of them: figure and ratio to the yardstick, each with its spread."""
        rows = [
            (what, who, *parts(rounds), *parts(self.ratios(what, who, yardstick)))
            for what, measured in self.values.items() for who, rounds in measured.items()
        ]  # fmt: skip
        spread = "least … greatest"
        table(("measured", "of", "median", spread, f"ratio to {yardstick}, by round", spread), rows)


def parts(values: Sequence[float]) -> tuple[str, str]:
    """The median, and the least and the greatest."""
    return number(statistics.median(values)), f"{number(min(values))} … {number(max(values))}"
