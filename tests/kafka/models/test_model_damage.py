"""The only model damaged or gone: replies, readiness and `models` say so, and another is learnt at once."""

import json
import shutil

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.load import two_interests
from tests.kafka.support.running_shop import running_shop
from tests.kafka.support.service import run_command

LEARNING = {"train_min_new_events": "100", "train_max_wait_s": "100000", "vector_size": "16", "epochs": "2"}


@pytest.fixture
def shop(broker, tmp_path):
    with running_shop(broker, tmp_path, role="both", **LEARNING) as shop:
        shop.buy(*two_interests(120))
        eventually(lambda: shop.service.metric("alsobought_model_version") > 0, "a model answers", timeout_s=60)
        yield shop


def only_version(service):
    (version,) = (service.data_dir / "models").glob("v*")
    return version


def spoil(version):
    (file,) = version.glob("item_vectors*")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def remove_a_file(version):
    (file,) = version.glob("faiss_index*")
    file.unlink()


@pytest.mark.parametrize("damage", [spoil, remove_a_file, shutil.rmtree], ids=["spoilt", "a_file_gone", "folder_gone"])
def test_the_only_model_damaged_while_it_was_stopped(shop, damage):
    service = shop.service
    version = only_version(service)
    service.stop()
    damage(version)
    service.environment["ALSOBOUGHT_ROLE"] = "worker"  # nobody learns: what is said stays
    service.start()
    reply = shop.ask("learnt-0")
    _, ready = service.get("/ready")
    _, said = run_command(service, "models")
    service.stop()
    service.environment["ALSOBOUGHT_ROLE"] = "both"
    service.start()
    eventually(lambda: shop.ask("learnt-0")["degraded"] is None, "another model answers", 60)

    assert (reply["degraded"], reply["model_version"]) == ("model_damaged", None)
    assert "the model is damaged" in json.loads(ready)["warnings"][0]
    assert version.name in said
    assert "damaged" in said or "not in" in said
    assert shop.ask("learnt-0")["model_version"] != version.name
    assert "warnings" not in json.loads(service.get("/ready")[1])


@pytest.mark.parametrize("damage", [spoil, shutil.rmtree], ids=["spoilt", "folder_gone"])
def test_the_only_model_damaged_while_it_answers(shop, damage):
    version = only_version(shop.service)
    damage(version)
    eventually(lambda: shop.ask("learnt-0")["model_version"] != version.name, "another model answers", 60)

    assert shop.ask("learnt-0")["degraded"] is None
    (said,) = [line for line in shop.service.log_lines() if line["event"] == "model_damaged"]
    assert said["version"] == version.name


def test_a_models_folder_that_was_away_and_is_back_answers_again(shop):
    service, models = shop.service, shop.service.data_dir / "models"
    version = only_version(service)
    service.stop()
    models.rename(models.with_name("away"))
    service.environment["ALSOBOUGHT_ROLE"] = "worker"
    service.start()
    meanwhile = shop.ask("learnt-0")["degraded"]
    models.with_name("away").rename(models)
    eventually(lambda: shop.ask("learnt-0")["model_version"] == version.name, "it answers again", 30)

    assert meanwhile == "model_damaged"
    assert len([line for line in service.log_lines() if line["event"] == "model_refused"]) == 1
