"""Reading a model back from its folder, only when every checksum, every shape and the self-test agree.

No pickle is read and gensim is not imported: gensim's own file is for the trainer. Writing: model/snapshots/writer.py.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.index.item_index import ItemIndex, SimilarItems
from model.purchases.histories import in_parts, spread_over
from model.ranking.model import RankingModel, unbound_model
from model.signals.product_votes import ProductVotes
from model.snapshots.metadata import (
    FORMAT,
    MANIFEST,
    Metadata,
    SelfTest,
    SnapshotRefused,
    file_names,
    version_number,
)
from model.snapshots.product_columns import Products

_SELF_TESTS = 5
_SELF_TEST_ANSWERS = 10
_AGREEMENT = 0.9  # of the self-test's products; another CPU may order near ties differently


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model that was read back and found sound."""

    folder: Path
    metadata: Metadata
    model: RankingModel  # bound to no product numbers yet; its IN vectors are mapped from the file
    similar: SimilarItems
    products: Products  # whoever needs them once need not keep them


def digest_of(path: Path) -> str:
    """The file's sha256, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_digest(models: Path, version: str) -> str:
    """The sha256 of a version's manifest, as it is announced. Raises `SnapshotRefused`."""
    try:
        return digest_of(models / version / MANIFEST)
    except OSError as error:
        raise SnapshotRefused("missing_file", f"{models / version}: {error}") from error


class _File(msgspec.Struct):
    bytes: int
    sha256: str


class _Manifest(msgspec.Struct):
    files: dict[str, _File]


class _Format(msgspec.Struct):
    format: int = FORMAT


def check_files(models: Path, version: str, manifest_sha256: str | None = None) -> Path:
    """Compare every file with the manifest, and the manifest with the announced checksum; returns the folder.

    Raises `SnapshotRefused`.
    """
    version_number(version)
    folder = models / version
    try:
        if manifest_sha256 is not None and digest_of(folder / MANIFEST) != manifest_sha256:
            raise SnapshotRefused("checksum", f"{folder / MANIFEST}: its sha256 is not the announced one")
        listed = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Manifest).files
        for name in file_names(version).values():
            _check_file(folder / name, listed.get(name))
    except OSError as error:
        raise SnapshotRefused("missing_file", f"{folder}: {error}; is models_dir the trainer's folder?") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotRefused("bad_metadata", f"{folder / MANIFEST}: {error}") from error
    return folder


def _check_file(path: Path, entry: _File | None) -> None:
    if entry is None or not path.exists():
        raise SnapshotRefused("missing_file", f"{path}: missing, or not in the manifest")
    if path.stat().st_size != entry.bytes or digest_of(path) != entry.sha256:
        raise SnapshotRefused("checksum", f"{path}: its size or sha256 is not the manifest's")


def open_snapshot(models: Path, version: str, manifest_sha256: str | None = None) -> Snapshot:
    """Read a version that answers may come from. Raises `SnapshotRefused`."""
    folder = check_files(models, version, manifest_sha256)
    names = file_names(version)
    try:
        metadata = _read_metadata(folder / names["metadata"])
        vectors = np.asarray(np.load(folder / names["vectors"], mmap_mode="r", allow_pickle=False))
        index = ItemIndex.read(folder / names["index"], vectors.shape[1], metadata.index)
        similar = SimilarItems.read(folder / names["similar"], vectors, metadata.similar)
        votes = ProductVotes.read(folder / names["votes"])
        products = Products.read(folder / names["products"])
    except (msgspec.DecodeError, ValueError, KeyError, BadZipFile, EOFError, RuntimeError, OSError) as error:
        raise SnapshotRefused("unreadable", f"{folder}: {error}") from error
    if metadata.version != version:
        raise SnapshotRefused("bad_metadata", f"{folder}: its metadata are those of {metadata.version[:80]!r}")
    centre = np.array(metadata.centre, np.float32)
    model = unbound_model(vectors=vectors, index=index, ranking=metadata.ranking, votes=votes, centre=centre)
    snapshot = Snapshot(folder, metadata, model, similar, products)
    _check_shapes(snapshot, votes)
    _check_answers(snapshot)
    return snapshot


def _read_metadata(path: Path) -> Metadata:
    text = path.read_bytes()
    written = msgspec.json.decode(text, type=_Format).format  # first: another format has other fields
    if written != FORMAT:
        raise SnapshotRefused("format", f"{path}: format {written}, this alsobought reads {FORMAT}; use the newer one")
    return msgspec.json.decode(text, type=Metadata)


def _check_shapes(snapshot: Snapshot, votes: ProductVotes) -> None:
    metadata, vectors, index = snapshot.metadata, snapshot.model.vectors, snapshot.model.index
    rows = len(index)
    tested = [row for test in metadata.self_test for row in test.rows]
    sound = {
        "item vectors": vectors.shape == (rows, index.dimension),
        "products": snapshot.products.is_sound(rows),
        "index of similar products": len(snapshot.similar) == rows,
        "vocabulary": metadata.vocabulary == rows and rows > 0,
        "vectors": _are_finite(vectors, index),
        "biases": bool(np.isfinite(index.bias).all()),
        "product votes": votes.is_sound(rows),
        "centre": len(metadata.centre) == index.dimension,
        "self-test": bool(tested) and all(0 <= row < rows for row in tested),
    }
    for what, fits in sound.items():
        if not fits:
            raise SnapshotRefused("self_test", f"{snapshot.folder}: its {what} do not fit the index of {rows} rows")


def _are_finite(vectors: NDArray[np.float32], index: ItemIndex) -> bool:
    """Looked at in parts: together they may be too large for the memory of a worker that has a model already."""
    return all(np.isfinite(vectors[rows]).all() for rows in in_parts(len(vectors))) and all(
        np.isfinite(index.outputs_of(rows)).all() for rows in in_parts(len(index))
    )


def _check_answers(snapshot: Snapshot) -> None:
    """The index must still answer as it did when it was made."""
    index, vectors = snapshot.model.index, snapshot.model.vectors
    for test in snapshot.metadata.self_test:
        found = self_test_answer(index, vectors, test.rows, len(test.expected))
        if len(set(found) & set(test.expected)) < _AGREEMENT * len(test.expected):
            raise SnapshotRefused("self_test", f"{snapshot.folder}: answers {found} where {test.expected} was expected")


def self_tests(index: ItemIndex, vectors: NDArray[np.float32]) -> list[SelfTest]:
    """What the index answers now for a few products spread over it: `open_snapshot` asks again."""
    rows = spread_over(len(vectors), _SELF_TESTS).tolist()
    k = min(_SELF_TEST_ANSWERS, len(vectors))
    return [SelfTest([row], self_test_answer(index, vectors, [row], k)) for row in rows]


def self_test_answer(index: ItemIndex, vectors: NDArray[np.float32], rows: list[int], k: int) -> list[int]:
    """The k rows that the index finds for the plain mean of these rows' vectors."""
    _, found = index.search(np.asarray(vectors[rows]).mean(axis=0, keepdims=True), k)
    return [int(row) for row in found[0]]
