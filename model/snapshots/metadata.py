"""What a model says of itself: the metadata file of a version, and what its folder and files are called.

`About` is enough for a list of versions and to repeat the training; `Metadata` adds the self-test.
"""

import re
from pathlib import Path
from typing import Literal

import msgspec

from model.embeddings.parameters import TrainingParameters
from model.index.item_index import IndexForm
from model.offline.measures import Interval
from model.ranking.parameters import Ranking
from model.ranking.shown_scores import ScoreScale

FORMAT = 1
MANIFEST = "manifest.json"
_VERSION = re.compile(r"v([0-9]{1,9})-[0-9]{8}T[0-9]{6}Z")


class SnapshotRefused(Exception):
    """The folder is not a whole, sound model; `reason` is one word for a counter."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SelfTest(msgspec.Struct, frozen=True):
    """A history and what the index answered for it when it was made."""

    rows: list[int]
    expected: list[int]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate found: `gate.decide` made it, on purchases that neither model had learnt from.

    Without a verdict (`unjudged`) the numbers are None, and the candidate answers.
    """

    verdict: Literal["accepted", "refused", "unjudged"]
    why: str
    outcome: Literal["accepted", "worse", "not_above_popular", "unjudged"] = "unjudged"  # one word for a counter
    answers: Literal["candidate", "serving", "popular"] = "candidate"  # the best of the three, which is to answer
    serving: str | None = None  # the version it was compared with
    k: int = 10
    margin: float = 0.0  # how much of the serving model's NDCG may be lost
    customers: int = 0  # who were compared
    lines: int = 0  # order lines that were left out of learning
    since_s: int = 0  # they are newer than this, seconds since 1970
    candidate_ndcg: float | None = None
    serving_ndcg: float | None = None
    popular_ndcg: float | None = None  # of recent popularity
    above_serving: Interval | None = None  # candidate less serving, paired by customer, with its 95 % interval
    above_popular: Interval | None = None  # candidate less recent popularity


NOT_COMPARED = Judgement(verdict="unjudged", why="the gate was not asked")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the metadata say without the self-test: enough for a list of versions, and to repeat the training."""

    format: int = FORMAT
    model_type: str = "recommendations"
    version: str = ""
    brand_id: str | None = None
    kind: str  # full or increment
    reason: str  # why it is what it is
    parent: str | None
    created_at_s: float  # seconds since 1970 UTC
    seconds: float  # how long learning took
    database_id: str
    offsets: dict[str, int]  # next offset of each partition of purchases
    source: str = ""  # which topic of purchases that is: cluster, name and id; "" = not said
    events: int
    customers: int
    lines: int
    vocabulary: int
    vocabulary_at_full: int
    updates_since_full: int
    full_at_s: float
    customers_erased: int
    parameters: TrainingParameters
    ranking: Ranking
    index: IndexForm = IndexForm()  # how products are found for customers, and how well
    similar: IndexForm = IndexForm()  # for products
    score_scale: ScoreScale
    made_with: dict[str, str]  # versions of Python and the libraries
    judgement: Judgement = NOT_COMPARED


class Metadata(About, frozen=True, kw_only=True):
    """Everything the metadata file says."""

    centre: list[float]  # (dimension,) the mean query vector of all customers
    self_test: list[SelfTest]


def file_names(version: str) -> dict[str, str]:
    """The files of a version by what they hold."""
    return {
        "model": f"item2vec_{version}.model",
        "index": f"faiss_index_{version}.index",
        "similar": f"similar_index_{version}.index",
        "vectors": f"item_vectors_{version}.npy",
        "products": f"products_{version}.npz",
        "metadata": f"recommendations_metadata_{version}.json",
        "votes": f"product_votes_{version}.npz",
        "learnt": f"learnt_lines_{version}.npy",
    }


def version_number(version: str) -> int:
    """12 of "v12-20261124T101500Z". Raises `SnapshotRefused` for anything that is no version: it is used as a path."""
    found = _VERSION.fullmatch(version)
    if not found:
        raise SnapshotRefused("bad_version", f"{version[:80]!r} is no version such as v12-20261124T101500Z")
    return int(found[1])


def versions(models: Path) -> list[str]:
    """The versions in the folder, newest first."""
    names = [entry.name for entry in models.iterdir() if _VERSION.fullmatch(entry.name)] if models.is_dir() else []
    return sorted(names, key=version_number, reverse=True)


def read_about(models: Path, version: str) -> About:
    """What a version says of itself, unchecked: for lists. Raises `SnapshotRefused`."""
    path = models / version / file_names(version)["metadata"]
    try:
        return msgspec.json.decode(path.read_bytes(), type=About)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotRefused("unreadable", f"{path}: {error}") from error
