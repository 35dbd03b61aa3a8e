"""A data folder and snapshots that an earlier version wrote open as before, hold the same, and answer the same.

`tests/kept/VERSION` holds what that version wrote (data.tar.gz: the small shop's database and two models), and what it
said of it (expected.json): the digest of the database, and what customers with a history were offered. What sells best
to everybody is left out: its order is each version's own.
"""

import json
import tarfile
from pathlib import Path

import pytest

from model.snapshots.metadata import versions
from model.snapshots.reader import open_snapshot
from model.store.digest import read_state
from tests.builders.small_shop import SmallShop, learn, open_shop

KEPT = sorted(folder for folder in (Path(__file__).parents[1] / "kept").iterdir() if folder.is_dir())


@pytest.fixture(params=KEPT, ids=lambda folder: folder.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict]:
    """A copy of the data folder, and what the version that wrote it said."""
    with tarfile.open(request.param / "data.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "data", json.loads((request.param / "expected.json").read_text())


def answers(shop: SmallShop, profiles: list[str]) -> dict[str, dict]:
    found = {profile: shop.ask(profile, k=4) for profile in profiles}
    return {
        profile: {"products": shop.ids(answer), "model_version": answer.model_version, "degraded": answer.degraded}
        for profile, answer in found.items()
    }


def test_an_old_database_holds_what_it_held(kept):
    folder, expected = kept

    state = read_state(folder / "alsobought.db")

    assert state.digest == expected["digest"]
    assert (state.customers, state.lines, state.listed) == (
        expected["customers"],
        expected["lines"],
        expected["listed"],
    )
    assert {str(partition): offset for partition, offset in state.offsets.items()} == expected["offsets"]


def test_old_snapshots_pass_their_checks(kept):
    folder, _ = kept
    names = versions(folder / "models")

    opened = [open_snapshot(folder / "models", name).metadata.version for name in names]

    assert len(opened) == 2
    assert opened == names


def test_an_old_data_folder_answers_as_before(kept):
    folder, expected = kept
    shop = open_shop(folder)

    given = answers(shop, list(expected["answers"]))
    similar = shop.ids(shop.ask("c-0", k=3, kind="similar", product_ids=("tea",)))
    shop.store.close()

    assert given == expected["answers"]
    assert similar == expected["similar_to_tea"]


def test_learning_goes_on_from_an_old_snapshot(kept):
    folder, _ = kept
    shop = open_shop(folder, with_model=False)
    shop.buy("c-0", "teapot", "kettle")
    shop.store.close()

    learnt = learn(folder)

    assert learnt.version.startswith("v3-")
