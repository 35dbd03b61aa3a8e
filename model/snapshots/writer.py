"""Writing a model to disk: one folder for each version, written aside, synced, and moved into place in one step.

A folder holds gensim's model (for the trainer to go on from), the FAISS indexes, the item vectors, the products, their
votes, the metadata, how many lines of each customer were learnt, and a manifest with the size and sha256 of each.
Either the whole folder appears or nothing does, and no two writers give the same number.
"""

import os
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.index.item_index import SimilarItems
from model.ranking.model import RankingModel
from model.snapshots.metadata import (
    MANIFEST,
    Metadata,
    SnapshotRefused,
    file_names,
    read_about,
    version_number,
    versions,
)
from model.snapshots.product_columns import Products
from model.snapshots.reader import digest_of

_ASIDE = ".writing-v"
_LEFTOVER_S = 3600.0  # a folder aside that nobody has touched for so long has lost its writer


class TrainedVectors(Protocol):
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

    item2vec: TrainedVectors
    model: RankingModel
    similar: SimilarItems
    products: Products
    metadata: Metadata
    learnt: NDArray[np.uint32]  # lines learnt, by customer number


def write_snapshot(models: Path, draft: Draft, stamp: str, *, after: int = 0) -> tuple[str, str]:
    """Write a version of its own; returns its name and the sha256 of its manifest.

    `stamp` is the time as it stands in the name, 20261124T101500Z; its number is above `after`, and above those in the
    folder. Raises `SnapshotUnwritable`.
    """
    try:
        models.mkdir(parents=True, exist_ok=True)
        aside, number = _claimed(models, after)
        version = f"v{number}-{stamp}"
        try:
            digest = _write_files(aside, version, draft)
            aside.rename(models / version)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        _sync(models)
    except OSError as error:
        raise SnapshotUnwritable(
            f"{models}: the new model can not be written: {error.strerror or error}; make room there, give this user "
            "the right to write, or let models_dir name another folder. The model before it stays"
        ) from error
    return version, digest


class SnapshotUnwritable(Exception):
    """The models folder takes no new version; nothing of it was left behind."""


def _claimed(models: Path, after: int) -> tuple[Path, int]:
    """A folder aside whose name claims a number that no version has and no other writer has claimed."""
    number = max(_last_number(models), after) + 1
    while True:
        aside = models / f"{_ASIDE}{number}"
        try:
            aside.mkdir()
        except FileExistsError:
            number += 1
            continue
        if _last_number(models) < number:  # else a writer has finished it between the two looks
            return aside, number
        aside.rmdir()
        number = _last_number(models) + 1


def _last_number(models: Path) -> int:
    return max((version_number(version) for version in versions(models)), default=0)


def _write_files(aside: Path, version: str, draft: Draft) -> str:
    names = file_names(version)
    metadata = msgspec.structs.replace(draft.metadata, version=version)
    draft.item2vec.save(aside / names["model"])
    try:
        draft.model.index.write(aside / names["index"])
        draft.similar.write(aside / names["similar"])
    except RuntimeError as error:  # faiss's word for a disk that takes no more
        raise OSError(f"{names['index']}: {error}; is the disk full?") from error
    np.save(aside / names["vectors"], draft.item2vec.vectors, allow_pickle=False)
    draft.products.write(aside / names["products"])
    draft.model.votes.write(aside / names["votes"])
    np.save(aside / names["learnt"], draft.learnt, allow_pickle=False)
    (aside / names["metadata"]).write_bytes(msgspec.json.format(msgspec.json.encode(metadata), indent=0))
    files = {
        name: {"bytes": (aside / name).stat().st_size, "sha256": digest_of(aside / name)} for name in names.values()
    }
    manifest = aside / MANIFEST
    manifest.write_bytes(msgspec.json.format(msgspec.json.encode({"version": version, "files": files})))
    for file in aside.iterdir():
        _sync(file)
    _sync(aside)
    return digest_of(manifest)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_old(models: Path, keep: int, never: Collection[str] = ()) -> list[str]:
    """Remove all but the newest `keep` versions of each brand and those of `never`, and what a lost writer left.

    Returns the versions removed.
    """
    seen: dict[str | None, int] = {}
    gone = []
    for version in versions(models):
        brand = _brand_of(models, version)
        seen[brand] = seen.get(brand, 0) + 1
        if seen[brand] > keep and version not in never:
            gone.append(version)
    for path in [models / version for version in gone] + _leftovers(models):
        shutil.rmtree(path, ignore_errors=True)
    return gone


def _brand_of(models: Path, version: str) -> str | None:
    try:
        return read_about(models, version).brand_id
    except SnapshotRefused:
        return None  # damaged: it counts among those of every brand


def _leftovers(models: Path) -> list[Path]:
    """Folders aside that no writer works in any more. One that is being written changes every few seconds."""
    oldest = time.time() - _LEFTOVER_S
    return [path for path in models.glob(f"{_ASIDE[:-1]}*") if path.stat().st_mtime < oldest]
