"""What is announced on the models topic is taken only when it is whole and sound; the old model stays until then."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support import learnt_models
from tests.kafka.support.load import two_interests
from tests.kafka.support.records import Record, purchase, tombstone
from tests.kafka.support.running_shop import RunningShop, running_shop

EVERY_BRAND = "*"


@pytest.fixture(scope="module")
def trained(broker, tmp_path_factory, once_per_run):
    """A shop with a model and without a trainer, which would see to a damaged model by itself."""
    learnt = once_per_run("two-interests", learnt_models.learn)
    folder = tmp_path_factory.mktemp("announced")
    with running_shop(broker, folder, partitions=learnt_models.PARTITIONS) as shop:
        shop.buy(*two_interests(learnt_models.CUSTOMERS))
        learnt_models.take(shop, learnt)
        yield shop


@pytest.fixture
def in_force(trained):
    """The trained shop with its own model's announcement, which is in force again afterwards."""
    announced = next(read.json for read in trained.client.read_all(trained.topics.models) if read.value)
    yield announced
    announce(trained, announced)
    eventually(lambda: serving(trained) == announced["version"], "the shop's own model answers again")


def models(shop: RunningShop) -> Path:
    return shop.service.data_dir / "models"


def record(announcement: Any) -> Record:
    return Record(EVERY_BRAND.encode(), json.dumps(announcement).encode())


def announce(shop: RunningShop, announcement: Any) -> None:
    shop.client.send(shop.topics.models, record(announcement))


def serving(shop: RunningShop) -> str | None:
    """The version that answers, as /models/versions has it."""
    listed = json.loads(shop.service.get("/models/versions?model_type=recommendations")[1])
    return next((row["version"] for row in listed if row["state"] == "serving"), None)


def refusals(shop: RunningShop, reason: str) -> float:
    return shop.service.metrics().get(f'alsobought_model_refused_total{{reason="{reason}"}}', 0)


def refused(shop: RunningShop, reason: str, *announcements: Record) -> list[dict[str, Any]]:
    """Announce something that is to be refused for this reason; the log lines that say so."""
    before, lines = refusals(shop, reason), len(shop.service.log_lines())
    shop.client.send(shop.topics.models, *announcements)
    eventually(lambda: refusals(shop, reason) == before + len(announcements), f"{reason} is counted")
    return [line for line in shop.service.log_lines()[lines:] if line["level"] == "error"]


def copy(shop: RunningShop, announced: Any, version: str) -> dict[str, Any]:
    """A whole, sound copy of the announced snapshot as another version, and its announcement."""
    source, folder = models(shop) / announced["uri"], models(shop) / version
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    files = {}
    for path in source.glob(f"*{announced['version']}*"):
        target = folder / path.name.replace(announced["version"], version)
        target.write_bytes(path.read_bytes().replace(announced["version"].encode(), version.encode()))
        files[target.name] = {"bytes": target.stat().st_size, "sha256": sha256(target)}
    (folder / "manifest.json").write_text(json.dumps({"version": version, "files": files}))
    return announced | {"version": version, "uri": version, "sha256": sha256(folder / "manifest.json")}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_sound_model_that_is_announced_answers_at_once(trained, in_force):
    place = trained.buy(purchase("mia", "tea"))[0]
    other = copy(trained, in_force, "v7-20260101T000000Z")

    announce(trained, other)
    eventually(lambda: serving(trained) == other["version"], "the other model answers")

    assert trained.ask_after(place, "mia")["model_version"] == other["version"]
    assert trained.service.metric("alsobought_model_version") == 7


def test_a_snapshot_with_a_changed_byte_is_refused_said_and_the_old_model_stays(trained, in_force):
    damaged = copy(trained, in_force, "v8-20260101T000000Z")
    (index,) = (models(trained) / damaged["uri"]).glob("faiss_index_*")
    index.write_bytes(index.read_bytes()[:-1] + b"\x55")

    (said,) = refused(trained, "checksum", record(damaged))

    assert (said["event"], said["version"]) == ("model_refused", damaged["version"])
    assert said["serving"] == in_force["version"]
    assert "sha256" in said["message"]
    assert serving(trained) == in_force["version"]


def test_a_manifest_that_is_not_the_announced_one_is_refused(trained, in_force):
    other = copy(trained, in_force, "v9-20260101T000000Z") | {"sha256": "0" * 64}

    (said,) = refused(trained, "checksum", record(other))

    assert "not the announced one" in said["message"]
    assert serving(trained) == in_force["version"]


def test_a_model_that_is_not_in_the_folder_is_refused_with_a_hint(trained, in_force):
    absent = "v10-20260101T000000Z"
    (said,) = refused(trained, "missing_file", record(in_force | {"version": absent, "uri": absent}))

    assert "models_dir" in said["message"]
    assert serving(trained) == in_force["version"]


def test_announcements_that_cannot_be_used_are_said_and_passed_over(trained, in_force):
    paths = ("../../elsewhere", "/etc", in_force["uri"] + "/..")
    outside = [in_force | {"version": path, "uri": path} for path in paths]
    garbage = [Record(b"*", b"{"), Record(b"*", b'{"version": 7}'), Record(b"*", b"\xff")]

    said = refused(trained, "unreadable_announcement", *garbage, *map(record, outside))

    assert len(said) == len(garbage) + len(outside)
    assert trained.ask("nobody")["model_version"] == in_force["version"]


def test_a_tombstone_takes_the_model_away_until_one_is_announced_again(trained, in_force):
    place = trained.buy(purchase("nik", "tea"))[0]
    trained.client.send(trained.topics.models, tombstone(EVERY_BRAND))
    eventually(lambda: serving(trained) is None, "no model answers")

    answer = trained.ask_after(place, "nik")

    assert (answer["degraded"], answer["model_version"]) == ("no_model", None)
    assert trained.service.metric("alsobought_model_version") == 0
