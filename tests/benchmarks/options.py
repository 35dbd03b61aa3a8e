"""The options that every benchmark has: its sizes, `--little` and `--verdicts`.

A size is said once, as it is in a full run and as it is with `--little`, when a run only shows that the script works:
its figures then say nothing about speed.
"""

import argparse
from pathlib import Path


class Options(argparse.ArgumentParser):
    """What one benchmark may be asked for; `size` and `add_argument` first, `chosen` at last."""

    def __init__(self, description: str | None) -> None:
        super().__init__(description=description)
        self.add_argument("--little", action="store_true", help="do as little as shows that the script works")
        self.add_argument("--verdicts", type=Path, metavar="FILE", help="append a JSON line for each verdict")
        self._little: dict[str, object] = {}

    def size(self, name: str, full: float, little: float, what: str = "") -> None:
        """A number: `full` unless another is given, `little` with --little; an int where `full` is one."""
        self.add_argument(name, type=type(full), default=full, help=f"{what} ({full:,}; with --little {little:,})")
        self._little[name.lstrip("-").replace("-", "_")] = type(full)(little)

    def sizes(self, name: str, full: list[str], little: list[str], what: str) -> None:
        """Several words, as `size`."""
        self.add_argument(name, nargs="+", default=full, help=f"{what} ({full}; with --little {little})")
        self._little[name.lstrip("-").replace("-", "_")] = little

    def chosen(self, given: list[str] | None = None) -> argparse.Namespace:
        """The options by name; with `little`, `verdicts` and every size."""
        if self.parse_known_args(given)[0].little:
            self.set_defaults(**self._little)
        return self.parse_args(given)
