"""What metrics are made of: families of one registry, each described, and children found by one look-up.

In: names, kinds, labels and sentences of help. Out: the registry that HTTP serves, and the list that the docs show.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

_PREFIX = "alsobought_"

Family = TypeVar("Family", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class DescribedMetric:
    """A metric as the documentation lists it: its full name, its Prometheus type, its labels and its help."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class Labelled(Generic[Family]):
    """A metric with labels: `metric(value, …)` is the child of these label values, found by one dictionary look-up."""

    def __init__(self, family: Family) -> None:
        self._family: Family = family
        self._children: dict[tuple[str | int, ...], Family] = {}

    def __call__(self, *labels: str | int) -> Family:
        """Return the child; the label values stand in the order in which the labels were declared."""
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._family.labels(*map(str, labels))
        return child

    def forget(self, *labels: str | int) -> None:
        """Let a child that has lost its meaning, such as a partition that moved away, vanish from the next scrape."""
        if self._children.pop(labels, None) is not None:
            self._family.remove(*map(str, labels))


class Families:
    """Declares metrics in a registry of its own, and remembers how they are described."""

    def __init__(self) -> None:
        # Else every counter would come with a second series, its time of birth.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
        self.registry = CollectorRegistry()
        self.described: list[DescribedMetric] = []  # in the order in which they were declared

    def declare_process(self) -> None:
        """Add what prometheus_client knows of a process: memory, processor time, files."""
        ProcessCollector(registry=self.registry)

    def info(self, name: str, text: str, *labels: str) -> Info:
        """A metric that is words: `info({label: value})`; its name on the wire ends in _info."""
        return Info(f"{_PREFIX}{name}", self._note(f"{name}_info", "info", text, *labels), registry=self.registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A number that only grows, but for restarts."""
        return Counter(f"{_PREFIX}{name}", self._note(name, "counter", text, *labels), labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A number that goes up and down."""
        return Gauge(f"{_PREFIX}{name}", self._note(name, "gauge", text, *labels), labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Seconds, by the upper bounds of their buckets."""
        noted = self._note(name, "histogram", text, *labels)
        return Histogram(f"{_PREFIX}{name}", noted, labels, buckets=buckets, registry=self.registry)

    def _note(self, name: str, kind: str, text: str, *labels: str) -> str:
        self.described.append(DescribedMetric(f"{_PREFIX}{name}", kind, labels, text))
        return text
