"""A model on disk: one folder for each version, written aside, synced, and moved into place in one step.

A folder holds gensim's model (for the trainer to go on from), the FAISS index, the item vectors, the metadata, how many lines
of each customer were learnt, and a manifest with the size and sha256 of each. `open_snapshot` reads no pickle and takes a
folder only when every checksum, every shape and the self-test agree.
"""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.index import ItemIndex
from model.ranking import ScoreScale, Scoring
from model.training import TrainingParameters

FORMAT = 1
MANIFEST = "manifest.json"
_VERSION = re.compile(r"v([0-9]+)-[0-9]{8}T[0-9]{6}Z")
_CHUNK_BYTES = 1 << 20
_AGREEMENT = 0.9  # of the self-test's products; another CPU may order near ties differently


class SnapshotRefused(Exception):
    """The folder is not a whole, sound model; `reason` is one word for a counter."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Products(msgspec.Struct, frozen=True):
    """The products of the model as columns, one entry a row."""

    brand_ids: list[str]
    product_ids: list[str]
    numbers: list[int]  # in the database that `Metadata.database_id` names
    counts: list[int]  # order lines ever
    prices: list[float | None]


class SelfTest(msgspec.Struct, frozen=True):
    """A history and what the index answered for it when it was made."""

    rows: list[int]
    expected: list[int]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the metadata say without the products: enough for a list of versions, and to repeat the training."""

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
    events: int
    customers: int
    lines: int
    vocabulary: int
    vocabulary_at_full: int
    updates_since_full: int
    full_at_s: float
    customers_erased: int
    parameters: TrainingParameters
    scoring: Scoring
    score_scale: ScoreScale
    made_with: dict[str, str]  # versions of Python and the libraries


class Metadata(About, frozen=True, kw_only=True):
    """Everything the metadata file says."""

    products: Products
    self_test: list[SelfTest]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model that was read back and found sound."""

    folder: Path
    metadata: Metadata
    vectors: NDArray[np.float32]  # IN (n_items, dimension), mapped from the file
    index: ItemIndex


class Learnt(Protocol):
    """The trainer's side of a model; a protocol, so that whoever only reads snapshots does not import gensim."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """IN vectors (n_items, dimension)."""
        ...

    def save(self, path: Path) -> None:
        """Write gensim's own format."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """A model that is ready to be written."""

    item2vec: Learnt
    index: ItemIndex
    metadata: Metadata
    learnt: NDArray[np.uint32]  # lines learnt, by customer number


def file_names(version: str) -> dict[str, str]:
    """The files of a version by what they hold."""
    return {
        "model": f"item2vec_{version}.model",
        "index": f"faiss_index_{version}.index",
        "vectors": f"item_vectors_{version}.npy",
        "metadata": f"recommendations_metadata_{version}.json",
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


def write_snapshot(models: Path, draft: Draft, stamp: str) -> tuple[str, str]:
    """Write a version of its own; returns its name and the sha256 of its manifest.

    `stamp` is the time as it stands in the name, 20261124T101500Z. Either the whole folder appears or nothing does.
    """
    models.mkdir(parents=True, exist_ok=True)
    aside = models / f".writing-{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        while True:
            number = max((version_number(name) for name in versions(models)), default=0) + 1
            version = f"v{number}-{stamp}"
            digest = _write_files(aside, version, draft)
            try:
                os.rename(aside, models / version)  # fails where another trainer took the number meanwhile
            except OSError:
                if not (models / version).exists():
                    raise
                continue
            _sync(models)
            return version, digest
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_files(aside: Path, version: str, draft: Draft) -> str:
    for old in aside.iterdir():
        old.unlink()
    names = file_names(version)
    metadata = msgspec.structs.replace(draft.metadata, version=version)
    draft.item2vec.save(aside / names["model"])
    draft.index.write(aside / names["index"])
    np.save(aside / names["vectors"], draft.item2vec.vectors, allow_pickle=False)
    np.save(aside / names["learnt"], draft.learnt, allow_pickle=False)
    (aside / names["metadata"]).write_bytes(msgspec.json.format(msgspec.json.encode(metadata), indent=0))
    files = {name: {"bytes": (aside / name).stat().st_size, "sha256": _digest(aside / name)} for name in names.values()}
    manifest = aside / MANIFEST
    manifest.write_bytes(msgspec.json.format(msgspec.json.encode({"version": version, "files": files})))
    for file in aside.iterdir():
        _sync(file)
    _sync(aside)
    return _digest(manifest)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_digest(models: Path, version: str) -> str:
    """The sha256 of a version's manifest, as it is announced. Raises `SnapshotRefused`."""
    try:
        return _digest(models / version / MANIFEST)
    except OSError as error:
        raise SnapshotRefused("missing_file", f"{models / version}: {error}") from error


def check_files(models: Path, version: str, manifest_sha256: str | None = None) -> Path:
    """Compare every file with the manifest, and the manifest with the announced checksum; returns the folder.

    Raises `SnapshotRefused`.
    """
    version_number(version)
    folder = models / version
    try:
        if manifest_sha256 is not None and _digest(folder / MANIFEST) != manifest_sha256:
            raise SnapshotRefused("checksum", f"{folder / MANIFEST}: its sha256 is not the announced one")
        listed = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Manifest).files
        for name in file_names(version).values():
            entry = listed.get(name)
            if entry is None or not (folder / name).exists():
                raise SnapshotRefused("missing_file", f"{folder / name}: missing, or not in the manifest")
            if (folder / name).stat().st_size != entry.bytes or _digest(folder / name) != entry.sha256:
                raise SnapshotRefused("checksum", f"{folder / name}: its size or sha256 is not the manifest's")
    except OSError as error:
        raise SnapshotRefused("missing_file", f"{folder}: {error}; is models_dir the trainer's folder?") from error
    except msgspec.DecodeError as error:
        raise SnapshotRefused("bad_metadata", f"{folder / MANIFEST}: {error}") from error
    return folder


class _File(msgspec.Struct):
    bytes: int
    sha256: str


class _Manifest(msgspec.Struct):
    files: dict[str, _File]


def open_snapshot(models: Path, version: str, manifest_sha256: str | None = None) -> Snapshot:
    """Read a version that answers may come from. Raises `SnapshotRefused`."""
    folder = check_files(models, version, manifest_sha256)
    names = file_names(version)
    try:
        metadata = msgspec.json.decode((folder / names["metadata"]).read_bytes(), type=Metadata)
        vectors = np.load(folder / names["vectors"], mmap_mode="r", allow_pickle=False)
        index = ItemIndex.read(folder / names["index"])
    except (msgspec.DecodeError, ValueError, RuntimeError, OSError) as error:
        raise SnapshotRefused("unreadable", f"{folder}: {error}") from error
    snapshot = Snapshot(folder, metadata, vectors, index)
    _check_shapes(snapshot)
    _check_answers(snapshot)
    return snapshot


def _check_shapes(snapshot: Snapshot) -> None:
    metadata, rows = snapshot.metadata, len(snapshot.index)
    if metadata.format != FORMAT:
        raise SnapshotRefused("format", f"{snapshot.folder}: format {metadata.format}, this alsobought reads {FORMAT}")
    shapes = {
        "item vectors": snapshot.vectors.shape == (rows, snapshot.index.dimension),
        "product ids": len(metadata.products.product_ids) == len(metadata.products.brand_ids) == rows,
        "vocabulary": metadata.vocabulary == rows and rows > 0,
        "finite numbers": bool(np.isfinite(snapshot.vectors).all() and np.isfinite(snapshot.index.outputs).all()),
    }
    for what, sound in shapes.items():
        if not sound:
            raise SnapshotRefused("self_test", f"{snapshot.folder}: {what} do not fit the index of {rows} rows")


def _check_answers(snapshot: Snapshot) -> None:
    """The index must still answer as it did when it was made."""
    for test in snapshot.metadata.self_test:
        found = self_test_answer(snapshot.index, snapshot.vectors, test.rows, len(test.expected))
        if len(set(found) & set(test.expected)) < _AGREEMENT * len(test.expected):
            raise SnapshotRefused("self_test", f"{snapshot.folder}: answers {found} where {test.expected} was expected")


def self_test_answer(index: ItemIndex, vectors: NDArray[np.float32], rows: list[int], k: int) -> list[int]:
    """The k rows that the index finds for the plain mean of these rows' vectors."""
    _, found = index.search(np.asarray(vectors[rows]).mean(axis=0, keepdims=True), k)
    return [int(row) for row in found[0]]


def read_about(models: Path, version: str) -> About:
    """What a version says of itself, unchecked: for lists. Raises `SnapshotRefused`."""
    path = models / version / file_names(version)["metadata"]
    try:
        return msgspec.json.decode(path.read_bytes(), type=About)
    except (OSError, msgspec.DecodeError) as error:
        raise SnapshotRefused("unreadable", f"{path}: {error}") from error


def remove_old(models: Path, keep: int, in_use: Callable[[str], bool] = lambda version: False) -> list[str]:
    """Remove all but the newest `keep` versions and those in use, and what an interrupted writer left."""
    gone = [version for version in versions(models)[keep:] if not in_use(version)]
    leftovers = list(models.glob(".writing-*")) if models.is_dir() else []
    for path in [models / version for version in gone] + leftovers:
        shutil.rmtree(path, ignore_errors=True)
    return gone
