"""Tuning: training parameters searched on a shop's own windows, those before the test window.

The newest window is cut off before anything else, and neither learnt from nor looked at. Every attempt is judged on the
same validation windows, and given up after one where others did better; the settings in force are the first attempt, so
that what is found is on these windows at least as good. `optuna` is an extra, imported when it is used.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.embeddings.parameters import TooLittleData, TrainingParameters
from model.offline.measures import Interval, interval
from model.offline.recommender import OfflineRecipe
from model.offline.splits import Cut, split
from model.progress import Progress, silent
from model.purchases.histories import Histories, distinct
from model.training.calibration import Trial
from model.tuning.search_space import starting_points, suggested, too_dear
from model.tuning.validation import Window, cross_measured, weighed, windows_of

if TYPE_CHECKING:
    import optuna

_FIRST_ATTEMPTS = 6  # given or random, before the sampler looks where others did well
_KEPT_PERCENT = 33.0  # of the attempts judged in a window so far, those that go on to the next
_SURE_OF_PRUNING = 3  # attempts that must be through before any is given up


class Interrupted(Exception):
    """Raised when a search was stopped by hand before the settings in force were judged; the text says what to do."""


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """What is searched, and how settings are judged."""

    cut: Cut = field(default_factory=Cut)
    validation: int = 2  # windows before the test window
    recipe: OfflineRecipe = field(default_factory=OfflineRecipe)  # in force
    most_attempts: int | None = None  # None: until it is over


@dataclass(frozen=True, slots=True)
class TuningAttempt:
    """One setting, judged in all validation windows, or in some if it was given up."""

    recipe: OfflineRecipe  # with the weights learnt on the windows, if it was judged in all of them
    ndcg: NDArray[np.float64]  # at 10, of each tested customer, windows end to end, the newest first
    windows: int
    seconds: float

    @property
    def parameters(self) -> TrainingParameters:
        """What was tried."""
        return self.recipe.parameters

    @property
    def score(self) -> float:
        """The mean NDCG over customers."""
        return float(self.ndcg.mean())


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found. The first attempt is the settings in force."""

    attempts: list[TuningAttempt]  # in the order they were made
    windows: int
    too_dear: int  # settings passed over, because learning would have taken too long

    @property
    def finished(self) -> list[TuningAttempt]:
        """The attempts that were judged in all windows, best first; of equal ones the earlier."""
        return sorted((one for one in self.attempts if one.windows == self.windows), key=lambda one: -one.score)

    @property
    def best(self) -> TuningAttempt:
        """The best; where nothing beats the settings in force, these."""
        return self.finished[0]

    @property
    def found(self) -> bool:
        """Whether anything beats the settings in force."""
        return self.best is not self.attempts[0]

    def gain(self) -> Interval:
        """How much more NDCG the best has than the settings in force, paired by customer.

        It is the best of many on these very windows, so it promises too much: the test window says what it is worth.
        """
        return interval(self.best.ndcg - self.attempts[0].ndcg)


def search(
    histories: Histories,
    keys: Sequence[str],
    plan: TuningPlan,
    *,
    is_over: Callable[[], bool],
    is_stopped: Callable[[], bool] = lambda: False,
    on_attempt: Callable[[TuningAttempt], None] = lambda _attempt: None,
    progress: Progress = silent,
) -> Search:
    """Try settings until `is_over`; a training that is running then is dropped at the end of its pass.

    The settings in force are judged however long that takes, unless it `is_stopped` by hand. The same data, seed and
    number of attempts give the same search. Raises `TooLittleData` when the settings in force can not learn from what
    precedes the newest validation window, `TooFewTested` and `Interrupted`.
    """
    before_test = split(histories, plan.cut).train
    windows = windows_of(before_test, plan.cut, plan.validation)
    ends = _Ends(is_over, is_stopped)
    searching = _Searching(windows=windows, keys=keys, plan=plan, ends=ends, progress=progress)
    return searching.run(on_attempt)


@dataclass(frozen=True, slots=True)
class TuningPace:
    """How long settings take here, in seconds, measured on the data themselves."""

    attempt_s: float  # the settings in force, judged in all windows
    window_s: float  # and in the newest alone, after which most others are given up
    learning_s: float  # one training on the newest validation window

    def attempts(self, seconds: float) -> tuple[int, int]:
        """At least and at most how many settings so many seconds are enough for, those in force among them."""
        others = max(seconds - self.attempt_s, 0.0)
        return 1 + int(others / self.attempt_s), 1 + int(others / self.window_s)


def pace(histories: Histories, keys: Sequence[str], plan: TuningPlan) -> TuningPace:
    """Measure it by one pass over the purchases and one judging. Raises as `search` does."""
    windows = windows_of(split(histories, plan.cut).train, plan.cut, plan.validation)
    newest = windows[0]
    scaled = plan.recipe.parameters.scaled_to(len(distinct(newest.train).products))
    one_pass = replace(plan.recipe, parameters=replace(scaled, epochs=1, scale_to_data=False))
    began_s, marks = time.perf_counter(), list[float]()
    trial = newest.learnt(keys, one_pass, lambda _what, _done: marks.append(time.perf_counter()))
    learnt_s = time.perf_counter()
    cross_measured(trial, repeat=plan.cut.repeat)
    judging_s = time.perf_counter() - learnt_s
    learning_s = learnt_s - began_s + (marks[-1] - marks[0]) * (scaled.epochs - 1)
    lines = [len(window.train.products) / max(len(newest.train.products), 1) for window in windows]
    window_s = learning_s + judging_s
    return TuningPace(window_s * sum(lines), window_s, learning_s)


class _Over(Exception):
    """Raised in mid-training to end it."""


@dataclass(frozen=True, slots=True)
class _Ends:
    """What ends a search."""

    is_over: Callable[[], bool]
    is_stopped: Callable[[], bool]

    def now(self, attempts: int) -> bool:
        return self.is_stopped() or (attempts > 0 and self.is_over())


class _Searching:
    """One search as it goes along."""

    def __init__(
        self,
        windows: list[Window],
        keys: Sequence[str],
        plan: TuningPlan,
        ends: _Ends,
        progress: Progress,
    ) -> None:
        self._windows, self._keys, self._plan = windows, keys, plan
        self._ends, self._progress = ends, progress
        self._pairs = len(distinct(windows[0].train).products)
        self._study = _study(plan.recipe.parameters)
        self._attempts: list[TuningAttempt] = []
        self._too_dear = 0

    def run(self, on_attempt: Callable[[TuningAttempt], None]) -> Search:
        while not self._ends.now(len(self._attempts)) and len(self._attempts) != self._plan.most_attempts:
            try:
                attempt = self._next(self._study.ask())
            except _Over:
                break
            if attempt:
                self._attempts.append(attempt)
                on_attempt(attempt)
        if not self._attempts:
            raise Interrupted(
                "stopped before the settings in force were judged: nothing was measured, nothing was written"
            )
        return Search(self._attempts, len(self._windows), self._too_dear)

    def _next(self, trial: "optuna.Trial") -> TuningAttempt | None:
        """The attempt that the trial stands for, None when it is not worth a training."""
        now = self._plan.recipe.parameters
        wanted = suggested(trial, now, self._pairs)
        if not self._attempts:
            attempt: TuningAttempt | None = self._attempt(trial, now)  # as they are, not rounded
        elif too_dear(wanted, now, self._pairs):
            self._too_dear += 1
            attempt = None
        else:
            attempt = self._attempt_if_possible(trial, wanted)
        self._tell(trial, attempt)
        return attempt

    def _attempt_if_possible(self, trial: "optuna.Trial", parameters: TrainingParameters) -> TuningAttempt | None:
        try:
            return self._attempt(trial, parameters)
        except TooLittleData:  # a greater min_count leaves too few products
            return None

    def _attempt(self, trial: "optuna.Trial", parameters: TrainingParameters) -> TuningAttempt:
        """Judge in one window after the other, as long as that is worth it and there is enough to learn from."""
        started = time.perf_counter()
        recipe = replace(self._plan.recipe, parameters=parameters)
        models: list[Trial] = []
        ndcg: list[NDArray[np.float64]] = []
        for window in self._windows:
            try:
                models.append(window.learnt(self._keys, recipe, self._or_over))
            except TooLittleData:
                if not models:
                    raise
                self._leave_out_from(len(models))
                break
            ndcg.append(cross_measured(models[-1], repeat=self._plan.cut.repeat))
            trial.report(float(np.concatenate(ndcg).mean()), len(ndcg))
            if len(ndcg) < len(self._windows) and trial.should_prune():
                break
        if len(models) == len(self._windows):
            recipe = weighed(models, recipe)
        return TuningAttempt(recipe, np.concatenate(ndcg), len(ndcg), time.perf_counter() - started)

    def _leave_out_from(self, window: int) -> None:
        """Forget the windows before which there is too little to learn from even for the settings in force."""
        if not self._attempts:
            self._windows = self._windows[:window]

    def _or_over(self, what: str, done: float) -> None:
        """Progress of a training, which ends here when the search is over."""
        if self._ends.now(len(self._attempts)):
            raise _Over
        self._progress(what, done)

    def _tell(self, trial: "optuna.Trial", attempt: TuningAttempt | None) -> None:
        from optuna.trial import TrialState  # noqa: PLC0415 - an extra

        if attempt and attempt.windows == len(self._windows):
            self._study.tell(trial, attempt.score)
        else:
            self._study.tell(trial, state=TrialState.PRUNED)


def _study(now: TrainingParameters) -> "optuna.Study":
    """A study in memory whose first trial is the settings in force. Nothing but warnings is logged."""
    import optuna  # noqa: PLC0415 - an extra

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(n_startup_trials=_FIRST_ATTEMPTS, seed=now.seed),
        pruner=optuna.pruners.PercentilePruner(_KEPT_PERCENT, n_startup_trials=_SURE_OF_PRUNING),
    )
    for point in starting_points(now):
        study.enqueue_trial(point)
    return study
