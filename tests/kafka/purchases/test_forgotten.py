"""A customer who wants to be forgotten, end to end: history, caches, files and models, also after a full replay."""

import json

import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.load import TEA_THINGS, two_interests
from tests.kafka.support.records import purchase, tombstone
from tests.kafka.support.running_shop import running_shop
from tests.kafka.support.service import run_command

# neither the beginning of another name, nor one that another name becomes with the byte that follows it in the file
CUSTOMER = "wants-to-go"


def files_with(folder, name: str) -> list[str]:
    """The files of the database and of the models in which the name stands."""
    files = [*folder.glob("alsobought.db*"), *folder.glob("models/*/*")]
    return [file.name for file in files if name.encode() in file.read_bytes()]


def versions(shop) -> list[str]:
    """Newest first."""
    return [row["version"] for row in json.loads(shop.service.get("/models/versions")[1])]


@pytest.mark.needs_real_broker(one=True)
def test_a_forgotten_customer_is_nowhere_but_in_the_models_that_are_named_and_stays_so(broker, tmp_path):
    with running_shop(broker, tmp_path, role="both", train_min_new_events="100", gate_customers="0") as shop:
        shop.buy(*two_interests(120), purchase(CUSTOMER, *TEA_THINGS[:2]))
        eventually(lambda: shop.service.metric("alsobought_model_version") > 0, "a model answers", 90)
        known = shop.ask(CUSTOMER)
        first = known["model_version"]
        place = shop.buy(tombstone(CUSTOMER))[-1]
        unknown = shop.ask_after(place, CUSTOMER)
        _, before = run_command(shop.service, "forgotten", CUSTOMER)
        shop.buy(*(purchase(f"new-{number}", "tea", "cup") for number in range(120)))
        eventually(lambda: len(versions(shop)) > 1, "it has learnt again", 90)
        eventually(lambda: shop.ask("learnt-6")["model_version"] != first, "the new model answers", 30)
        _, after = run_command(shop.service, "forgotten", CUSTOMER)
        shop.service.stop()
        left = files_with(shop.service.data_dir, CUSTOMER)
        for file in shop.service.data_dir.glob("alsobought.db*"):
            file.unlink()
        shop.service.start()  # reads the whole topic again
        replayed = shop.ask_after(place, CUSTOMER)
        left_after_replay = files_with(shop.service.data_dir, CUSTOMER)

    assert known["degraded"] is None
    assert [answer["degraded"] for answer in (unknown, replayed)] == ["new_customer"] * 2
    assert f"{first}: learnt from purchases that were erased since (it answers now)" in before
    assert f"{first}: learnt from purchases that were erased since\n" in after
    assert f"in no model that answers; until {first} on disk" in after
    assert (left, left_after_replay) == ([], [])
