"""What an evaluation can test, found out before anything is learnt: windows with hardly anybody in them are left out.

In: the splits of the windows, newest first. Out: the windows to test, those that choices are made on, and in words what
is left out and why. Cheap: nothing is trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from model.embeddings.item2vec import check_enough
from model.embeddings.parameters import TooLittleData, TrainingParameters
from model.offline.splits import Cut, Split

LEAST_TESTED = 10  # customers: a window with fewer says nothing of a recommender
_LOOKED_AT = 24  # windows beyond those wanted that are looked at for one with enough customers


@dataclass(slots=True)
class Outlook:
    """Which windows can be tested; 0 is the newest."""

    tested: dict[int, list[int]] = field(default_factory=dict)  # window -> the windows before it that can be chosen on
    left_out: list[str] = field(default_factory=list)  # sentences
    too_little: TooLittleData | None = None  # of the newest window that had nothing to learn from before it


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many windows are to be tested, and on how many before each of them choices are made."""

    windows: int
    validation: int
    cut: Cut
    parameters: TrainingParameters


def outlook(split_of: Callable[[int], Split], keys: Sequence[str], wanted: Wanted) -> Outlook:
    """Look at window after window until enough can be tested, or nothing older is there."""
    found = Outlook()
    problems: dict[int, str] = {}

    def problem(window: int) -> str:
        if window not in problems:
            problems[window] = _problem(split_of(window), keys, wanted.parameters, found)
        return problems[window]

    for window in range(wanted.windows + _LOOKED_AT):
        if len(found.tested) == wanted.windows or not len(split_of(window).train.products):
            break
        if why := problem(window):
            found.left_out.append(f"{named(window)} is not tested: {why}")
            continue
        before = range(window + 1, window + 1 + wanted.validation)
        found.tested[window] = [one for one in before if not problem(one)]
        if not found.tested[window]:
            found.left_out.append(
                f"no window before {named(window)} has enough customers to choose weights on: ours are those of the "
                "index alone there, and the other recommenders are not given our recency and trend"
            )
    return found


def named(window: int) -> str:
    """A window in words."""
    if window == 0:
        return "the newest window"
    return f"the window {window} before the newest"


def _problem(split: Split, keys: Sequence[str], parameters: TrainingParameters, found: Outlook) -> str:
    """Why a window can not be tested; empty when it can."""
    customers = len(split.truth.customers)
    if customers < LEAST_TESTED:
        return f"{customers} customers bought in it who had bought before, {LEAST_TESTED} are needed"
    try:
        check_enough(split.train, keys, parameters)
    except TooLittleData as little:
        found.too_little = found.too_little or little
        return f"too little was bought before it, {little}"
    return ""
