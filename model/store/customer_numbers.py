"""Customers' numbers in memory, as far as there is room: who is not here may still be in the file.

A customer is a profile in a log (a partition of one topic), and has one number there. While `complete`, everybody is
here and the file need not be asked.
"""

from collections.abc import Iterable, Mapping

from model.purchases.log_batch import LogBatch

Customer = tuple[str, int, int]  # profile, log, number


class CustomerNumbers:
    """The numbers of at most `room` customers, and of those of one batch more."""

    def __init__(self, room: int) -> None:
        self.complete = True
        self._room = room
        self._numbers: dict[int, dict[str, int]] = {}  # log -> profile -> number

    def of_log(self, log: int) -> Mapping[str, int]:
        """From profile to number."""
        return self._numbers.get(log, {})

    def everywhere(self, profile: str) -> list[int]:
        """The profile's numbers in all logs."""
        return [numbers[profile] for numbers in self._numbers.values() if profile in numbers]

    def unknown(self, batch: LogBatch, logs: Mapping[int, int]) -> set[str]:
        """Profiles in these records that the file must be asked for; `logs` has the log of each partition."""
        wanted: set[str] = set()
        for partition, places in batch.runs():
            profiles = batch.purchases.profiles[batch.rows(places)]
            wanted |= set(profiles).difference(self.of_log(logs[partition]))
        for forget in batch.forgets.values():
            wanted |= {forget.profile, forget.also}  # in whatever log
        return wanted

    def add(self, customers: Iterable[Customer]) -> None:
        """Remember these."""
        for profile, log, number in customers:
            self._numbers.setdefault(log, {})[profile] = number

    def drop(self, profiles: Iterable[str]) -> None:
        """These are no longer customers."""
        for profile in profiles:
            for numbers in self._numbers.values():
                numbers.pop(profile, None)

    def make_room(self) -> None:
        """Forget all when there are too many."""
        if sum(map(len, self._numbers.values())) > self._room:
            self._numbers.clear()
            self.complete = False
