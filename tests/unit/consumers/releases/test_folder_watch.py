"""Damage in the models folder: noticed without reading what has not changed, and told once."""

import shutil

import pytest

from consumers.releases import folder_watch
from consumers.releases.folder_watch import FolderWatch
from tests.builders.small_shop import trained_folder


@pytest.fixture
def models(tmp_path):
    return trained_folder(tmp_path) / "models"


def newest(models):
    return max(path for path in models.iterdir() if path.name.startswith("v"))


def test_a_sound_folder_has_no_news_and_is_read_once(models, monkeypatch):
    watch = FolderWatch(models)
    first = watch.news()
    monkeypatch.setattr(folder_watch, "check_files", lambda *_: pytest.fail("read again"))

    assert first == watch.news() == {}


@pytest.mark.parametrize("damage", ["spoilt", "a file gone", "all gone"])
def test_damage_is_told_once_with_what_it_is(models, damage):
    watch = FolderWatch(models)
    watch.news()
    version = newest(models)
    (file,) = version.glob("item_vectors*")
    if damage == "spoilt":
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "a file gone":
        file.unlink()
    else:
        shutil.rmtree(version)
    told = watch.news()

    assert list(told) == [version.name]
    assert told[version.name].reason == ("checksum" if damage == "spoilt" else "missing_file")
    assert watch.news() == {}


def test_what_is_back_is_sound_again(models):
    watch = FolderWatch(models)
    watch.news()
    models.rename(models.with_name("away"))
    gone = watch.news()
    models.with_name("away").rename(models)

    assert gone
    assert watch.damaged() == {}
