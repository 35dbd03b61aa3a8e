"""What `alsobought demo` shows: progress, customers beside their recommendations, an answer before and after buying.

In: plain values, no Kafka and no model. Promise: on a terminal bars, tables and colours; elsewhere plain lines without
a control character, which say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich import box
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from serving.reports.progress import ProgressDisplay, plain, say

_NEW, _GONE, _MOVED = "bold green", "dim strike", "cyan"


@dataclass(frozen=True, slots=True)
class Offer:
    """One recommendation, ready to be read."""

    title: str
    score: float  # 0 .. 1
    strategy: str  # item2vec, similar or popular
    because: tuple[str, ...] = ()  # titles of the purchases that it rests on, the strongest first

    @property
    def reason(self) -> str:
        """Why it is offered, in words."""
        return f"because of {', '.join(self.because)}" if self.because else self.strategy


class Screen:
    """The demo's face. Methods may be called in any order; those of progress as often as there is news."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._progress = ProgressDisplay(self._console)

    @property
    def is_terminal(self) -> bool:
        """Whether somebody can look at bars and tables."""
        return self._console.is_interactive

    def say(self, line: str) -> None:
        """Print one line."""
        say(self._console, line)

    def purchases(self, done: int, total: int) -> None:
        """Show how many purchases have come through."""
        self._progress.show("purchases", done / max(total, 1), f"{done:,} of {total:,}")

    def learning(self, done: float, what: str = "learning") -> None:
        """Show the share of the learning that is done, 0 .. 1."""
        self._progress.show(what, done)

    def stop_progress(self) -> None:
        """Leave the bars as they are; the next progress draws new ones."""
        self._progress.close()

    def answers(self, customer: str, last_titles: Sequence[str], offers: Sequence[Offer]) -> None:
        """Show a customer's last purchases, the newest first, beside what is recommended."""
        self.stop_progress()
        if self.is_terminal:
            self._console.print(_answers_table(customer, last_titles, offers))
            return
        self.say(f"{customer} bought last: {', '.join(last_titles) or 'nothing yet'}")
        for line in _lines(offers):
            self.say(line)

    def before_after(self, customer: str, bought: str, before: Sequence[Offer], after: Sequence[Offer]) -> None:
        """Show how a customer's answer changed by buying `bought`."""
        self.stop_progress()
        was = {offer.title: rank for rank, offer in enumerate(before)}
        news = [_change(was.get(offer.title), rank) for rank, offer in enumerate(after)]
        gone = [offer.title for offer in before if offer.title not in {offer.title for offer in after}]
        headline = f"{customer} has just bought: {bought}"
        if self.is_terminal:
            self._console.print(_before_after_table(headline, before, after, news))
            return
        self.say(headline)
        for line, change in zip(_lines(after), news, strict=True):
            self.say(f"{line}  [{change}]" if change else line)
        self.say(f"  no longer offered: {', '.join(gone) or 'none'}")

    def closing(self, *, broker: str, metrics: str, ask: str, kcat: str, stays: bool = True) -> None:
        """Show where everything is; the commands stand whole on a line, to be copied."""
        self.stop_progress()
        self._rule("It runs" if stays else "It ran")
        for name, text in (("broker", broker), ("metrics", metrics)):
            self.say(f"{name + ':':<9}{text}")
        self.say("ask for yourself:" if stays else "while it runs you can ask for yourself (without --once):")
        say(self._console, f"  {ask}", "bold")
        self.say("or with any Kafka client, such as kcat:")
        say(self._console, f"  {kcat}", "bold")
        if stays:
            self.say("Ctrl-C to stop")
        self._rule("")

    def _rule(self, title: str) -> None:
        if self.is_terminal:
            self._console.print(Rule(title, style="green"))
        elif title:
            self.say(f"{title}.")


def _answers_table(customer: str, last_titles: Sequence[str], offers: Sequence[Offer]) -> Table:
    table = _table(customer)
    table.add_column("bought last", ratio=3, style="dim")
    table.add_column("is offered", ratio=3)
    table.add_column("score", justify="right", width=5)
    table.add_column("because of", ratio=4, style="dim")
    for title, offer in zip_longest(last_titles, offers):
        table.add_row(plain(title or ""), *_cells(offer))
    return table


def _before_after_table(headline: str, before: Sequence[Offer], after: Sequence[Offer], news: Sequence[str]) -> Table:
    stay = {offer.title for offer in after}
    table = _table(headline)
    table.add_column("before", ratio=3)
    table.add_column("after", ratio=3)
    table.add_column("", width=6)
    table.add_column("score", justify="right", width=5)
    table.add_column("because of", ratio=4, style="dim")
    for old, offer, change in zip_longest(before, after, news):
        style = _NEW if change == "new" else _MOVED if change else ""
        left = plain(old.title, "" if old.title in stay else _GONE) if old else Text("")
        title, *others = _cells(offer, style)
        table.add_row(left, title, Text(change or "", style), *others)
    return table


def _table(headline: str) -> Table:
    return Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, title=plain(headline, "bold"), title_justify="left")


def _cells(offer: Offer | None, style: str = "bold") -> tuple[Text, Text, Text]:
    if offer is None:
        return Text(""), Text(""), Text("")
    return (
        plain(offer.title, style),
        Text(f"{offer.score:.2f}"),
        plain(", ".join(offer.because) or f"({offer.strategy})"),
    )


def _change(was: int | None, rank: int) -> str:
    """In words: new, up or down by how many places, or nothing."""
    if was is None:
        return "new"
    if was == rank:
        return ""
    return f"up {was - rank}" if was > rank else f"down {rank - was}"


def _lines(offers: Sequence[Offer]) -> list[str]:
    width = max((len(offer.title) for offer in offers), default=0)
    return [
        f"  {rank:>2}. {offer.title:<{width}}  {offer.score:.2f}  {offer.reason}"
        for rank, offer in enumerate(offers, 1)
    ]
