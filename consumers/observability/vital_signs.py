"""Two things a running service knows about itself: that its loop is alive, and how much of the catalogue it shows.

Both are written by the loop's thread and read by the HTTP thread without a lock: each reader takes one reference.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


class Heartbeat:
    """When the loop last took a turn, by a clock that nobody can set back."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._beaten_at_s = clock_s()

    def beat(self) -> None:
        """Call this at every turn of the loop."""
        self._beaten_at_s = self._clock_s()

    def age_s(self) -> float:
        """Return the seconds since the last beat."""
        return self._clock_s() - self._beaten_at_s


class RecommendedShare:
    """Share of a catalogue that was recommended at least once in the last `window_answers` to twice as many answers.

    Two marks per product number, for the window that runs and the one before: 2 MB for a million products.
    """

    def __init__(self, window_answers: int = 10_000) -> None:
        self._window_answers = window_answers
        self._answers = 0
        self._seen = np.zeros((2, 0), np.bool_)
        self._catalogue = np.zeros(0, np.uint32)

    def of_catalogue(self, numbers: NDArray[np.uint32]) -> None:
        """Measure against these distinct product numbers from now on; what was recommended stays remembered."""
        self._catalogue = numbers

    def note(self, numbers: NDArray[np.uint32], *, answers: int = 1) -> None:
        """Mark the product numbers of one or more answers as recommended."""
        if numbers.size:
            self._make_room(int(numbers.max()) + 1)
            self._seen[0, numbers] = True
        self._answers += answers
        if self._answers >= self._window_answers:
            self._answers = 0
            self._seen = np.stack([np.zeros_like(self._seen[0]), self._seen[0]])

    def ratio(self) -> float:
        """Return the share, 0..1; 0 without a catalogue."""
        seen, catalogue = self._seen, self._catalogue
        if not catalogue.size:
            return 0.0
        known = catalogue[catalogue < seen.shape[1]]
        return float(np.count_nonzero(seen[:, known].any(axis=0)) / catalogue.size)

    def _make_room(self, size: int) -> None:
        missing = size - self._seen.shape[1]
        if missing > 0:
            # Half as much again, so that a growing catalogue is not copied at every answer.
            self._seen = np.pad(self._seen, ((0, 0), (0, missing + size // 2)))
