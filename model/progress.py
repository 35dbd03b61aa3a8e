"""How whatever takes long says how far it is."""

from collections.abc import Callable

Progress = Callable[[str, float], None]  # (what is being done, the part that is done: 0..1)


def silent(_what: str, _done: float) -> None:
    """The progress that nobody sees."""
