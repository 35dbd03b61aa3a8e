"""Models that benchmarks ask: learnt once as shipped, then taken from a folder named by what they were learnt from.

The name is a digest of the purchases, of the parameters and of the code that learns, so that nothing old is asked. The
folder is `.bench` of the repository (a model holds a pickle: it belongs where nobody else writes); `make clean` removes
it.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config.settings import Settings
from consumers.training.train_once import announcer_of, train_once
from model.purchases.histories import DAY_S
from model.signals.neighbours import first_purchases
from model.snapshots.metadata import About, read_about, versions
from model.snapshots.reader import open_snapshot
from model.store.reader import read_contents
from tests.benchmarks.setting import ROOT

_KEPT = ROOT / ".bench"
_CODE = ("model", "consumers/training", "consumers/decoding", "config")


@dataclass(frozen=True, slots=True)
class Source:
    """What a model is learnt from, beside the code: the purchases, said in a way that changes when they do."""

    purchases: str

    @classmethod
    def file(cls, path: Path) -> "Source":
        """A file of purchases."""
        return cls(hashlib.sha256(path.read_bytes()).hexdigest())


def learn_or_reuse(settings: Settings, source: Source) -> About:
    """A model in `settings.models_folder`, announced: one that was learnt before, or else learnt now. Says which."""
    kept = _KEPT / _digest(settings, source)
    found = versions(kept)
    if found:
        shutil.copytree(kept, settings.models_folder, dirs_exist_ok=True)
        announcer_of(settings).catch_up()
        about = read_about(settings.models_folder, found[0])
        print(f"  learnt    before, of the same purchases, settings and code: reused from {kept.relative_to(ROOT)}")
        return about
    about = train_once(settings)
    print(f"  learnt    now, in {about.seconds:.0f} s, and kept in {kept.relative_to(ROOT)}")
    _keep(settings.models_folder, kept)
    return about


def describe(about: About, settings: Settings) -> None:
    """Print what decides how long an answer takes."""
    contents = read_contents(settings.database)
    lines = len(contents.histories.products) / max(about.customers, 1)
    index = about.index
    ranked = "the index alone" if about.ranking.weights is None else "neighbours and votes, too"
    lists = f"{index.lists:,} lists, {index.probes} read" if index.lists else "every product, no lists"
    size = about.parameters.vector_size
    print(f"  model     {about.parameters.epochs} epochs; {about.vocabulary:,} products, {size} numbers "
          f"each, of {about.customers:,} customers with {lines:.0f} order lines each")  # fmt: skip
    active = _neighbours(about, settings)
    print(f"            {active:,} active neighbours; first stage: {lists}; ranked by {ranked}", flush=True)


def _neighbours(about: About, settings: Settings) -> int:
    """Customers who newly bought something of the model in the days that count for neighbours."""
    contents, snapshot = read_contents(settings.database), open_snapshot(settings.models_folder, about.version)
    row_of = {name: row for row, name in enumerate(snapshot.products.names(slice(0, about.vocabulary)))}
    rows = np.array([row_of.get(product[:2], -1) for product in contents.products])
    parameters, histories = about.ranking.neighbours, contents.histories
    since_s = int(histories.times.max()) - parameters.days * DAY_S
    bought = first_purchases(histories, rows, since_s)
    return min(int(np.count_nonzero(np.diff(bought.starts))), parameters.most)


def _digest(settings: Settings, source: Source) -> str:
    code = hashlib.sha256()
    for folder in _CODE:
        for file in sorted((ROOT / folder).rglob("*.py")):
            code.update(file.read_bytes())
    own = {"data_dir", "bootstrap_servers"}  # differ in every run and decide nothing
    said = settings.model_dump_json(exclude=own) + source.purchases + code.hexdigest()
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def _keep(models: Path, kept: Path) -> None:
    """Copy, then rename: a copy that was cut short is never found."""
    _KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
        copied = shutil.copytree(models, Path(folder) / "models")
        if not kept.exists():
            copied.rename(kept)
