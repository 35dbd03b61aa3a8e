"""A model on disk is whole and sound, or it is refused with a reason."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from gensim.models import Word2Vec

from model.progress import silent
from model.snapshots import writer
from model.snapshots.metadata import Metadata, SnapshotRefused, file_names, read_about, version_number, versions
from model.snapshots.reader import check_files, manifest_digest, open_snapshot
from model.snapshots.writer import SnapshotUnwritable, remove_old, write_snapshot
from model.training.learning import learn
from tests.builders.learnt import contents, recipe

STAMP = "20261124T101500Z"
FILES = ["model", "index", "similar", "vectors", "products", "votes", "metadata", "learnt"]


@pytest.fixture(scope="module")
def draft():
    return learn(contents(), recipe(), None, silent, 1_800_000_000.0)


@pytest.fixture(scope="module")
def acme():
    return learn(contents(brands=("acme",)), recipe(brand_id="acme"), None, silent, 1_800_000_000.0)


@pytest.fixture
def written(tmp_path, draft):
    """The folder, the version and the checksum of a snapshot."""
    return (tmp_path, *write_snapshot(tmp_path, draft, STAMP))


def refusal(models, version, digest=None):
    with pytest.raises(SnapshotRefused) as refused:
        open_snapshot(models, version, digest)
    assert str(refused.value)
    return refused.value.reason


def reseal(models, version):
    """Write the manifest anew, as somebody would who changed a file on purpose."""
    folder = models / version
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": writer.digest_of(folder / name)}
        for name in file_names(version).values()
    }
    (folder / "manifest.json").write_bytes(msgspec.json.encode({"version": version, "files": files}))


def change_metadata(models, version, /, **changed):
    path = models / version / file_names(version)["metadata"]
    fields = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(fields | changed))
    reseal(models, version)


def test_what_was_written_is_read_back(written, draft):
    models, version, digest = written

    snapshot = open_snapshot(models, version, digest)

    assert version == f"v1-{STAMP}"
    assert np.array_equal(snapshot.model.vectors, draft.item2vec.vectors)
    assert np.array_equal(snapshot.model.index.outputs, draft.model.index.outputs)
    assert np.array_equal(snapshot.model.index.bias, draft.model.index.bias)
    assert snapshot.metadata == msgspec.structs.replace(draft.metadata, version=version)


def test_the_files_are_called_as_the_documentation_says(written):
    models, version, _ = written

    assert {file.name for file in (models / version).iterdir()} == {
        f"item2vec_{version}.model",
        f"faiss_index_{version}.index",
        f"similar_index_{version}.index",
        f"item_vectors_{version}.npy",
        f"products_{version}.npz",
        f"recommendations_metadata_{version}.json",
        f"product_votes_{version}.npz",
        f"learnt_lines_{version}.npy",
        "manifest.json",
    }


def test_plain_gensim_opens_the_model(written):
    models, version, _ = written

    model = Word2Vec.load(str(models / version / f"item2vec_{version}.model"))

    assert type(model) is Word2Vec
    assert sorted(model.wv.index_to_key) == ["lamp", "stove", "sugar", "tea", "teapot", "tent"]


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_ends_early_is_refused(written, what):
    models, version, digest = written
    path = models / version / file_names(version)[what]
    os.truncate(path, path.stat().st_size - 1)

    assert refusal(models, version, digest) == "checksum"


@pytest.mark.parametrize("what", FILES)
def test_a_flipped_bit_is_refused(written, what):
    models, version, digest = written
    path = models / version / file_names(version)[what]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    assert refusal(models, version, digest) == "checksum"


@pytest.mark.parametrize("what", FILES)
def test_a_missing_file_is_refused(written, what):
    models, version, digest = written
    (models / version / file_names(version)[what]).unlink()

    assert refusal(models, version, digest) == "missing_file"


def test_a_missing_folder_is_refused_with_the_setting_to_look_at(tmp_path):
    with pytest.raises(SnapshotRefused, match="is models_dir the trainer's folder"):
        open_snapshot(tmp_path, f"v1-{STAMP}", "0" * 64)


def test_a_manifest_that_is_not_the_announced_one_is_refused(written):
    models, version, _ = written

    assert refusal(models, version, "0" * 64) == "checksum"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files":{}}', b'{"files":{"\xff":1}}', b'{"files":3}'])
def test_a_manifest_that_says_nothing_usable_is_refused(written, content):
    models, version, _ = written
    (models / version / "manifest.json").write_bytes(content)

    assert refusal(models, version) in ("bad_metadata", "missing_file")


@pytest.mark.parametrize("version", ["", ".", "../v1", "/etc", f"v1-{STAMP}/../x", f"v1-{STAMP}\n", "v1", "v\u0661-x"])
def test_what_is_no_version_is_never_used_as_a_path(tmp_path, version):
    assert refusal(tmp_path, version) == "bad_version"


def test_a_newer_format_is_refused_as_such_whatever_else_it_holds(written):
    models, version, _ = written
    path = models / version / file_names(version)["metadata"]
    path.write_bytes(b'{"format": 2, "products": "elsewhere"}')
    reseal(models, version)

    assert refusal(models, version) == "format"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"version": f"v9-{STAMP}"}, "bad_metadata"),
        ({"vocabulary": 5}, "self_test"),
        ({"self_test": []}, "self_test"),
        ({"self_test": [{"rows": [99], "expected": [0]}]}, "self_test"),
        ({"self_test": [{"rows": [0], "expected": [5, 4, 3, 99, 98, 97]}]}, "self_test"),
        ({"centre": 5}, "unreadable"),
    ],
)
def test_metadata_that_do_not_fit_the_rest_are_refused(written, changed, reason):
    models, version, _ = written
    change_metadata(models, version, **changed)

    assert refusal(models, version) == reason


@pytest.mark.parametrize("column", ["id_ends", "brand_of_row", "numbers", "counts", "prices"])
def test_every_column_of_the_products_must_have_a_row_for_each(written, column, draft):
    models, version, _ = written
    shortened = replace(draft.products, **{column: getattr(draft.products, column)[:-1]})
    shortened.write(models / version / file_names(version)["products"])
    reseal(models, version)

    assert refusal(models, version) == "self_test"


@pytest.mark.parametrize("array", [np.zeros((5, 8), np.float32), np.full((6, 8), np.nan, np.float32), np.array([None])])
def test_vectors_that_are_not_those_of_the_index_are_refused(written, array):
    models, version, _ = written
    np.save(models / version / file_names(version)["vectors"], array, allow_pickle=True)
    reseal(models, version)

    assert refusal(models, version) in ("self_test", "unreadable")


def test_a_file_in_place_of_the_index_is_refused(written):
    models, version, _ = written
    (models / version / file_names(version)["index"]).write_bytes(b"IxFIgarbage" * 9)
    reseal(models, version)

    assert refusal(models, version) == "unreadable"


def test_a_writer_that_fails_leaves_no_version_and_no_rubbish(tmp_path, draft, monkeypatch):
    def full_disk(_path):
        raise RuntimeError("write error in index: No space left on device")

    monkeypatch.setattr(draft.model.index, "write", full_disk)

    with pytest.raises(SnapshotUnwritable, match=r"No space left on device.*make room there"):
        write_snapshot(tmp_path, draft, STAMP)

    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_killed_leaves_no_version_and_blocks_no_other(tmp_path, draft):
    (tmp_path / ".writing-v1").mkdir()
    (tmp_path / ".writing-v1" / "item2vec").write_bytes(b"half")

    version, _ = write_snapshot(tmp_path, draft, STAMP)

    assert version == f"v2-{STAMP}"
    assert versions(tmp_path) == [version]


def test_writers_at_the_same_time_get_numbers_of_their_own(tmp_path, draft):
    ready = threading.Barrier(4)
    made = []

    def write(second):
        ready.wait()
        made.append(write_snapshot(tmp_path, draft, f"20261124T10150{second}Z")[0])

    writers = [threading.Thread(target=write, args=(second,)) for second in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()

    assert sorted(map(version_number, made)) == [1, 2, 3, 4]
    assert sorted(made) == sorted(versions(tmp_path))


def test_a_number_that_was_finished_meanwhile_is_not_given_twice(tmp_path, draft, monkeypatch):
    looks = iter([0, 1, 1, 1])  # the other writer's version 1 appears between the look and the claim
    monkeypatch.setattr(writer, "_last_number", lambda _models: next(looks))

    version, _ = write_snapshot(tmp_path, draft, STAMP)

    assert version_number(version) == 2


def test_versions_are_listed_newest_first_by_number(tmp_path, draft):
    for number in (9, 10, 2):
        (tmp_path / f"v{number}-{STAMP}").mkdir()
    (tmp_path / "notes").mkdir()

    assert versions(tmp_path) == [f"v10-{STAMP}", f"v9-{STAMP}", f"v2-{STAMP}"]
    assert versions(tmp_path / "missing") == []


def test_only_the_newest_of_each_brand_are_kept(tmp_path, draft, acme):
    for one in (acme, draft, draft, draft, draft):
        write_snapshot(tmp_path, one, STAMP)

    gone = remove_old(tmp_path, 2)

    assert list(map(version_number, gone)) == [3, 2]
    assert list(map(version_number, versions(tmp_path))) == [5, 4, 1]


def test_what_a_killed_writer_left_goes_but_not_what_is_being_written(tmp_path, draft):
    old, fresh = tmp_path / ".writing-v7", tmp_path / ".writing-v8"
    for folder in (old, fresh):
        folder.mkdir()
    os.utime(old, (0, 0))

    remove_old(tmp_path, 2)

    assert [path.name for path in tmp_path.iterdir()] == [".writing-v8"]


def test_reading_a_model_opens_no_pickle_and_needs_no_gensim(written):
    models, version, digest = written
    code = (
        "import sys, pickle\n"
        "from pathlib import Path\n"
        "from model.snapshots.reader import open_snapshot\n"
        "def refuse(*_, **__): raise AssertionError('a pickle was read')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        "open_snapshot(Path(sys.argv[1]), *sys.argv[2:])\n"
        "print(sorted({'gensim', 'scipy', 'smart_open'} & set(sys.modules)))\n"
    )

    said = subprocess.run(
        [sys.executable, "-c", code, str(models), version, digest], capture_output=True, text=True, check=False
    )

    assert said.stdout == "[]\n", said.stderr


def test_a_list_of_versions_reads_what_each_says_of_itself(written, draft):
    models, version, digest = written

    about = read_about(models, version)

    assert (about.version, about.vocabulary, about.parameters) == (version, 6, draft.metadata.parameters)
    assert not isinstance(about, Metadata)
    assert manifest_digest(models, version) == digest
    assert check_files(models, version) == models / version
