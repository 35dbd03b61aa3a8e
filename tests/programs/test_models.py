"""`alsobought models` as an operator uses it: what each version scored, which answers, and choosing by hand."""

import json
import shutil

import pytest

from config.settings import Settings
from consumers.releases.announcer import announced_now
from consumers.training.train_once import train_once
from model.purchases.changes import LogRecord, Purchase
from model.snapshots.metadata import versions
from model.store.writer import Store
from tests.builders.judged_shop import bought
from tests.builders.running import environment, new_broker, ran
from tests.builders.worker_world import clients_of


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A folder with three judged versions of which nothing is announced."""
    folder = tmp_path_factory.mktemp("judged")
    store = Store(folder / "alsobought.db")
    store.open_log("cluster", "purchases", "", 0)
    contents = bought(150)
    histories, records = contents.histories, []
    for i, customer in enumerate(histories.customers):
        for line in range(histories.starts[i], histories.starts[i + 1], 2):
            names = tuple(contents.products[number].product_id for number in histories.products[line : line + 2])
            order = Purchase(f"c-{customer}", "", int(histories.times[line]), names, (1.0, 1.0))
            records.append(LogRecord(0, len(records), order))
    store.apply(records)
    store.close()
    settings = Settings(data_dir=folder, train_min_customers=10, vector_size=16, epochs=5)
    for _ in range(3):
        train_once(settings, full=True, announce=False)
    return folder


class Shop:
    """The folder, and a broker of its own."""

    def __init__(self, broker, folder):
        self.folder, self.clients = folder, clients_of(broker)
        self.env = environment(broker.bootstrap, folder) | {"COLUMNS": "220"}
        self.newest, self.second, self.first = versions(folder / "models")

    def run(self, *arguments):
        return ran("models", *arguments, env=self.env)

    @property
    def announced(self):
        return announced_now(self.clients, "recommendation-models").get("")


@pytest.fixture
def shop(learnt, tmp_path):
    shutil.copytree(learnt, tmp_path / "data")
    with new_broker() as broker:
        yield Shop(broker, tmp_path / "data")


def rows(result):
    return [line.split() for line in result.output.splitlines() if line.startswith(" v")][1:]


def test_the_list_says_how_each_version_was_judged(shop):
    result = shop.run()

    assert result.exit_code == 0, result.output
    assert [row[0] for row in rows(result)] == [shop.newest, shop.second, shop.first]
    assert "accepted" in rows(result)[2]
    for name in ("parent", "events", "NDCG", "serving", "popular", "difference", "verdict"):
        assert name in result.output


def test_the_json_says_everything_of_the_judgement(shop):
    judged = json.loads(shop.run("--json").output)[2]["judgement"]

    assert (judged["verdict"], judged["answers"]) == ("accepted", "candidate")
    assert judged["above_popular"]["low"] > 0


def test_the_list_works_without_kafka_and_says_what_it_does_not_know(shop):
    result = ran("models", env=shop.env | {"ALSOBOUGHT_BOOTSTRAP_SERVERS": "127.0.0.1:1"})

    assert result.exit_code == 0
    assert len(rows(result)) == 3
    assert "which of them answers is not known" in result.output


def test_a_pin_is_announced_and_shown(shop):
    result = shop.run("pin", "v1")

    assert (result.exit_code, result.output.strip().splitlines()[-1]) == (0, f"{shop.first} answers, pinned")
    assert (shop.announced.version, shop.announced.pinned) == (shop.first, True)
    assert rows(shop.run())[2][-2:] == ["answers,", "pinned"]


def test_unpinned_it_goes_on_answering(shop):
    shop.run("pin", shop.second)

    shop.run("unpin")

    assert (shop.announced.version, shop.announced.pinned) == (shop.second, False)


def test_a_rollback_goes_back_one_by_one(shop):
    for version in ("v1", "v2", "v3"):
        shop.run("promote", version)

    answered = []
    for _ in range(2):
        shop.run("rollback")
        answered.append(shop.announced.version)

    assert answered == [shop.second, shop.first]
    assert shop.announced.newest == shop.newest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pin", "v9"), "v9: no such version"),
        (("promote", "../../etc"), "../../etc: no such version"),
        (("rollback",), "no model is announced, so there is nothing to go back from"),
        (("unpin",), "no version is pinned"),
    ],
)
def test_what_can_not_be_done_is_said(shop, arguments, said):
    result = shop.run(*arguments)

    assert result.exit_code == 1
    assert said in result.output
    assert shop.announced is None


def test_options_before_the_command_are_refused_not_forgotten(shop):
    result = ran("models", "--data-dir", "elsewhere", "pin", "v1", env=shop.env)

    assert result.exit_code == 2
    assert "give options after the command" in result.output


def test_neither_the_answering_nor_the_previous_version_is_ever_removed(shop):
    shop.run("promote", "v2")
    shop.run("pin", "v1")

    settings = Settings(
        data_dir=shop.folder, bootstrap_servers=shop.env["ALSOBOUGHT_BOOTSTRAP_SERVERS"], keep_versions=1,
        train_min_customers=10, vector_size=16, epochs=5,
        kafka_properties=json.loads(shop.env["ALSOBOUGHT_KAFKA_PROPERTIES"]),
    )  # fmt: skip
    about = train_once(settings, full=True)

    assert versions(shop.folder / "models") == [about.version, shop.second, shop.first]
    assert shop.announced.version == shop.first
