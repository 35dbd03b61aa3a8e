"""The comparison that `alsobought evaluate` prints: ours, ours with parts switched off, and peers, on the same windows.

For each test window everything is chosen on the windows before it: our weights by `calibration`, the peers' settings by
`boosted_peers`. Models that depend on chance are learnt with several seeds; a row's numbers are the medians.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.evaluation.baselines import RANDOMISED, Material, Scorer, Spread, by_recency, named_peers, recommend
from model.evaluation.boosted_baselines import Maker, boosted, item_peers, tuned
from model.evaluation.example_customers import Example, example_places, examples
from model.evaluation.outlook import Outlook, Wanted, outlook
from model.offline.measures import Measured, averaged, measure, medians
from model.offline.recommender import OfflineRecipe, OfflineRecommender, learn_offline
from model.offline.splits import Cut, Split, sampled, split
from model.progress import Progress, silent
from model.purchases.histories import Histories
from model.training.calibration import Calibration, Trial, calibrate_on, calibrated, reweighted

OURS = "alsobought"
PARTS = ("neighbours", "votes")  # features that can be switched off
_K = 10


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """What is compared, and how thoroughly."""

    cut: Cut = field(default_factory=Cut)
    windows: int = 2  # test windows
    validation: int = 2  # windows before each test window on which everything is chosen
    seeds: int = 3
    k: int = _K
    parts: tuple[str, ...] = PARTS  # those that are switched on
    peers: bool = True
    most_customers: int = 20_000  # tested in a window, drawn at random
    recipe: OfflineRecipe = field(default_factory=OfflineRecipe)


@dataclass(frozen=True, slots=True)
class Row:
    """One model in one window."""

    name: str
    means: dict[str, float]  # medians over seeds
    judged: Measured  # each customer's mean over seeds
    seconds: float  # to learn it once; what several rows share counts in each
    note: str = ""  # what was chosen for it


@dataclass(frozen=True, slots=True)
class Table:
    """All models in one window."""

    window: int  # 0 = the newest
    customers: int
    unknown_customers: int
    products: int  # in the catalogue
    bought_each: float  # products that a tested customer bought in the window
    rows: list[Row]
    calibration: Calibration
    examples: list[Example] = field(default_factory=list)


def tables(
    histories: Histories,
    keys: Sequence[str],
    plan: ComparisonPlan,
    progress: Progress = silent,
    on_outlook: Callable[[Outlook, dict[str, float]], None] = lambda _outlook, _steps: None,
) -> Iterator[Table]:
    """One table for each test window, newest first. `keys` is indexed by product number.

    `on_outlook` is told before anything is learnt what will be tested, and the names that `progress` will get, in
    their order, with about how long each takes beside the others. Raises `TooLittleData`.
    """
    hall = _Hall(histories, keys, plan, progress)
    found = hall.outlook
    if not found.tested and found.too_little:
        raise found.too_little
    on_outlook(found, hall.steps())
    for window in found.tested:
        yield hall.table(window)
        hall.forget(window)


class _Hall:
    """The splits and models of all windows, each made once: a test window's validation is the next one's test."""

    def __init__(self, histories: Histories, keys: Sequence[str], plan: ComparisonPlan, progress: Progress) -> None:
        self._histories, self._keys, self._plan, self._progress = histories, keys, plan, progress
        self._splits: dict[int, Split] = {}
        self._models: dict[int, tuple[OfflineRecommender, float]] = {}
        off = [part for part in PARTS if part not in plan.parts]
        weights = plan.recipe.weights
        self._recipe = replace(plan.recipe, weights=None if weights is None else weights.without(off))
        wanted = Wanted(plan.windows, plan.validation, plan.cut, plan.recipe.parameters)
        self.outlook = outlook(self.split, keys, wanted)
        self._shown: dict[str, NDArray[np.int64]] = {}  # what the examples of this window were shown, by row

    def steps(self) -> dict[str, float]:
        """What `progress` will be told of, and how long each takes, as a share of a training."""
        steps: dict[str, float] = {}
        for window, before in self.outlook.tested.items():
            for one in before:
                steps.setdefault(f"window {one}: {OURS}", 1.0)
            steps[f"window {window}: calibration"] = 1.0
            steps.setdefault(f"window {window}: {OURS}", 1.0)
            seeds = range(self._recipe.parameters.seed + 1, self._recipe.parameters.seed + self._plan.seeds)
            steps |= {f"window {window}: {OURS}, seed {seed}": 1.0 for seed in seeds}
            steps[f"window {window}: judging"] = 0.3 * self._plan.seeds
            if self._plan.peers:
                steps |= self._peer_steps(window, len(before))
        return steps

    def _peer_steps(self, window: int, before: int) -> dict[str, float]:
        steps = {
            f"window {window}: {name}": 0.3 * (self._plan.seeds if name in RANDOMISED else 1) for name in named_peers()
        }
        products = len(np.unique(self.split(window).train.products))
        for name, (_, settings) in item_peers(products).items():
            steps[f"window {window}: tuning {name}"] = 0.3 * len(settings) * before
            steps[f"window {window}: {name}"] = 0.3
            steps[f"window {window}: {name} + our recency and trend"] = 0.2
        return steps

    def split(self, window: int) -> Split:
        if window not in self._splits:
            made = split(self._histories, self._plan.cut, window)
            self._splits[window] = replace(made, truth=sampled(made.truth, self._plan.most_customers, seed=0))
        return self._splits[window]

    def forget(self, window: int) -> None:
        self._models.pop(window, None)
        self._splits.pop(window, None)

    def table(self, window: int) -> Table:
        tested = self.split(window)
        self._shown = {}
        rows, calibration = self._own_rows(window)
        if self._plan.peers:
            rows += self._peer_rows(window)
        return Table(
            window=window,
            customers=len(tested.truth.customers),
            unknown_customers=tested.unknown_customers,
            products=len(np.unique(tested.train.products)),
            bought_each=float(tested.truth.sizes().mean()),
            rows=rows,
            calibration=calibration,
            examples=examples(tested, self._shown),
        )

    # -- ours

    def _model(self, window: int, seed: int | None = None) -> tuple[OfflineRecommender, float]:
        """The model learnt from what precedes a window, and the seconds that took."""
        if seed is None and window in self._models:
            return self._models[window]
        first = seed is None
        parameters = self._recipe.parameters if seed is None else replace(self._recipe.parameters, seed=seed)
        what = f"window {window}: {OURS}" + ("" if first else f", seed {seed}")
        started = time.perf_counter()
        train = self.split(window).train
        made = learn_offline(
            train, self._keys, replace(self._recipe, parameters=parameters), lambda _, done: self._progress(what, done)
        )
        timed = made, time.perf_counter() - started
        if first:
            self._models[window] = timed
        return timed

    def _trials(self, window: int) -> list[Trial]:
        return [Trial(self._model(w)[0], self.split(w).truth) for w in self.outlook.tested[window]]

    def _own_rows(self, window: int) -> tuple[list[Row], Calibration]:
        trials = self._trials(window)
        what = f"window {window}: calibration"
        self._progress(what, 0.0)
        calibration = calibrate_on(trials, self._recipe)
        recipes = {OURS: calibrated(self._recipe, calibration)}
        for part in self._plan.parts:
            recipes[f"{OURS} without {part}"] = reweighted(trials, recipes[OURS], [part])
        recipes[f"{OURS}, item2vec and index alone"] = replace(self._recipe, weights=None)
        self._progress(what, 1.0)
        first = self._recipe.parameters.seed
        models = [self._model(window, None if i == 0 else first + i) for i in range(self._plan.seeds)]
        table = _voting(models[0][0], recipes[OURS])
        judged: dict[str, list[Measured]] = {name: [] for name in recipes}
        for at, (model, _) in enumerate(models):
            self._progress(f"window {window}: judging", at / len(models))
            whole = model.with_table(table.model.votes)
            for name, recipe in recipes.items():
                judged[name].append(self._measured_own(window, name, _set(whole, recipe)))
        seconds = float(np.median([took for _, took in models]))
        return [_row(name, runs, seconds, _note(recipes[name])) for name, runs in judged.items()], calibration

    def _measured_own(self, window: int, name: str, model: OfflineRecommender) -> Measured:
        shown = model.recommend(self.split(window).truth.customers, self._plan.k, repeat=self._plan.cut.repeat)
        return self._judged(window, name, shown)

    def _judged(self, window: int, name: str, shown: NDArray[np.int64]) -> Measured:
        tested = self.split(window)
        self._shown.setdefault(name, shown[example_places(tested)])
        sold = np.bincount(tested.train.products, minlength=len(self._keys))
        return measure(shown, tested.truth, sold)

    # -- the peers

    def _peer_rows(self, window: int) -> list[Row]:
        material = Material.of(self.split(window).train)
        rows = []
        for name, learner in named_peers().items():
            seeds = self._plan.seeds if name in RANDOMISED else 1
            makers = [partial(learner, material, seed) for seed in range(1, seeds + 1)]
            rows.append(self._peer_row(window, material, name, makers))
        for name, (maker, settings) in item_peers(len(material.numbers)).items():
            rows += self._item_peer_rows(window, material, name, maker, settings)
        return rows

    def _peer_row(
        self, window: int, material: Material, name: str, makers: Sequence[Callable[[], Scorer]], note: str = ""
    ) -> Row:
        runs = []
        started = time.perf_counter()
        seconds = 0.0
        tested = self.split(window)
        for at, make in enumerate(makers):
            self._progress(f"window {window}: {name}", at / len(makers))
            started = time.perf_counter()
            scorer = make()
            seconds = time.perf_counter() - started
            shown = recommend(material, scorer, tested.truth.customers, self._plan.k, repeat=self._plan.cut.repeat)
            runs.append(self._judged(window, name, shown))
        self._progress(f"window {window}: {name}", 1.0)
        return _row(name, runs, seconds, note)

    def _item_peer_rows(
        self, window: int, material: Material, name: str, maker: Maker, settings: Sequence[float]
    ) -> list[Row]:
        """A peer as it is, and the same given our recency and trend: its matrix is made once."""
        before = [self.split(w) for w in self.outlook.tested[window]]
        if not before:
            setting = settings[len(settings) // 2]
            maker_of_it = lambda: by_recency(material, maker(material, setting))  # noqa: E731
            return [self._peer_row(window, material, name, [maker_of_it], f"{setting:g}, not chosen")]
        boost = tuned(maker, settings, before, self._progress, f"window {window}: tuning {name}")
        made: list[Spread] = []
        started = time.perf_counter()

        def plain() -> Scorer:
            made.append(maker(material, boost.setting))
            return by_recency(material, made[0])

        chosen = f"{boost.setting:g}"
        rows = [self._peer_row(window, material, name, [plain], chosen)]
        seconds = time.perf_counter() - started
        note = f"{chosen}, recency {boost.recency:g}, trend {boost.weights.trend:.2f}"
        full = f"{name} + our recency and trend"
        rows.append(self._peer_row(window, material, full, [lambda: boosted(material, made[0], boost)], note))
        return [rows[0], replace(rows[1], seconds=seconds)]


def _voting(model: OfflineRecommender, recipe: OfflineRecipe) -> OfflineRecommender:
    """The model with the table of the recipe, learnt anew only if it is another one."""
    if not recipe.needs_votes or model.recipe.votes == recipe.votes:
        return model
    return model.with_votes(recipe.votes)


def _set(model: OfflineRecommender, recipe: OfflineRecipe) -> OfflineRecommender:
    made = model if model.recipe.scoring == recipe.scoring else model.with_scoring(recipe.scoring)
    return made.with_weights(recipe.weights)


def _row(name: str, runs: list[Measured], seconds: float, note: str) -> Row:
    return Row(
        name=name, means=medians([run.means() for run in runs]), judged=averaged(runs), seconds=seconds, note=note
    )


def _note(recipe: OfflineRecipe) -> str:
    if recipe.weights is None:
        return ""
    weights = " ".join(f"{value:.2f}" for value in recipe.weights.array())
    return f"weights {weights}, recency {recipe.scoring.recency:g}"
