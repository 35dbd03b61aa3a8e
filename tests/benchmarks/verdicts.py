"""What a benchmark found, beside its bar: printed by the script, and a JSON line for the table at the end of all.

In: figures, one for each round where there were rounds. Out: a `Verdict` each, judged by the median.
"""

import argparse
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.benchmarks.figures import parts
from tests.benchmarks.setting import number, table


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the closing table; `met` is None where there is no bar or nothing was measured."""

    script: str
    question: str
    figure: str
    bar: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of one script, printed as they come and appended to the file where there is one."""

    script: str
    file: Path | None = None

    @classmethod
    def of(cls, chosen: argparse.Namespace) -> "Verdicts":
        """Of the script that runs, to the file that --verdicts names."""
        return cls(Path(sys.argv[0]).stem, chosen.verdicts)

    def at_most(self, question: str, values: float | Sequence[float], bar: float, unit: str = "") -> None:
        """The median is to be no more than `bar`."""
        rounds = _rounds(values)
        self._add(question, _shown(rounds, unit), f"≤ {number(bar)}{unit}", met=statistics.median(rounds) <= bar)

    def at_least(self, question: str, values: float | Sequence[float], bar: float, unit: str = "") -> None:
        """The median is to be no less than `bar`."""
        rounds = _rounds(values)
        self._add(question, _shown(rounds, unit), f"≥ {number(bar)}{unit}", met=statistics.median(rounds) >= bar)

    def all_of(self, question: str, good: int, total: int, figure: str) -> None:
        """Every one of `total` is to be good."""
        self._add(question, f"{good} of {total}; {figure}", f"{total} of {total}", met=good == total)

    def told(self, question: str, values: float | Sequence[float], unit: str = "") -> None:
        """A figure that has no bar."""
        self._add(question, _shown(_rounds(values), unit), "none", met=None)

    def not_measured(self, question: str, why: str) -> None:
        """What it would need is not there."""
        self._add(question, f"not measured: {why}", "", met=None)

    def _add(self, question: str, figure: str, bar: str, *, met: bool | None) -> None:
        verdict = Verdict(script=self.script, question=question, figure=figure, bar=bar, met=met)
        print(f"verdict: {question}: {figure}{f', bar {bar}' if bar else ''}: {said(verdict)}", flush=True)
        if self.file is not None:
            with self.file.open("ab") as file:
                file.write(msgspec.json.encode(verdict) + b"\n")


def said(verdict: Verdict) -> str:
    """Met or not, in words."""
    return {True: "met", False: "NOT MET", None: "no bar" if verdict.bar else "not measured"}[verdict.met]


def read_verdicts(file: Path) -> list[Verdict]:
    """All that scripts have appended, in that order; none when there is no file."""
    return [msgspec.json.decode(line, type=Verdict) for line in file.read_bytes().splitlines()] if file.exists() else []


def closing_table(verdicts: Iterable[Verdict]) -> None:
    """Print question, figure, bar, met or not."""
    rows = [(v.script.removeprefix("bench_"), v.question, v.figure, v.bar, said(v)) for v in verdicts]
    table(("of", "question", "figure", "bar", "met"), rows)
    answers = [row[-1] for row in rows]
    print(", ".join(f"{answers.count(one)} {one}" for one in dict.fromkeys(answers)), flush=True)


def _rounds(values: float | Sequence[float]) -> Sequence[float]:
    return [values] if isinstance(values, (int, float)) else values


def _shown(rounds: Sequence[float], unit: str) -> str:
    median, spread = parts(rounds)
    return f"{median}{unit}" if len(rounds) == 1 else f"{median}{unit} ({spread})"
