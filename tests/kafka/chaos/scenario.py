"""One scenario of chaos: how long it goes on, what decides by chance, and what it found."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scenario:
    """`chance` is seeded, so the same blows fall in the same order; when exactly they fall the machine decides."""

    seconds: float
    chance: random.Random
    told: list[str] = field(default_factory=list)

    def tell(self, *found: str) -> None:
        """Parts of the line that is shown at the end of the run."""
        self.told.extend(found)

    def rounds(self, least: int = 1) -> Iterator[int]:
        """0, 1, 2 ... until the time is over; so many in any case."""
        began, number = time.monotonic(), 0
        while number < least or time.monotonic() - began < self.seconds:
            yield number
            number += 1


def slowest(seconds: list[float]) -> str:
    """Median and worst of some durations, in words."""
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} s in the middle, {ordered[-1]:.1f} s at worst" if ordered else "none"
