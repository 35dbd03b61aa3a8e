"""Progress of long work: bars on a terminal, elsewhere a plain line at each quarter.

In: what is being done, the share done and a detail in words. Promise: without a terminal no control characters are
written, and no more than four lines for each kind of work.
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

_QUARTERS = 4


class ProgressDisplay:
    """Shows several kinds of work at once; `close` leaves what is on the screen and starts afresh."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._quarters: dict[str, int] = {}

    @property
    def console(self) -> Console:
        """Where it shows; `close` before printing there."""
        return self._console

    def show(self, what: str, done: float, detail: str = "") -> None:
        """Show that a share of 0 .. 1 of the work is done."""
        if self._console.is_interactive:
            self._show_bar(what, min(max(done, 0.0), 1.0), detail)
        else:
            self._show_line(what, done, detail)

    def close(self) -> None:
        """Stop drawing. A second call does nothing."""
        if self._bars:
            self._bars.stop()
        self._bars, self._tasks, self._quarters = None, {}, {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _show_bar(self, what: str, done: float, detail: str) -> None:
        if self._bars is None:
            self._bars = _bars(self._console)
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=1.0, detail=detail)
        self._bars.update(self._tasks[what], completed=done, detail=detail)

    def _show_line(self, what: str, done: float, detail: str) -> None:
        quarter = int(min(done, 1.0) * _QUARTERS)
        if quarter > self._quarters.get(what, 0):
            self._quarters[what] = quarter
            say(self._console, f"{what}: {quarter * 100 // _QUARTERS} %{f' ({detail})' if detail else ''}")


def say(console: Console, line: str, style: str = "") -> None:
    """Print a line as it is: nothing in it is markup, and it is not broken where it is longer than the screen."""
    console.print(plain(line, style), soft_wrap=True)


def plain(text: str, style: str = "") -> Text:
    """Text from elsewhere, safe to show: a control character could steer the terminal and becomes a question mark."""
    return Text("".join(character if character.isprintable() else "?" for character in text), style)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<20}", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
        TimeElapsedColumn(),
        console=console,
        expand=True,
    )
