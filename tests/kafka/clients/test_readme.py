"""The programs that README.md and docs/clients.md show are run as they stand, each in a folder of its own.

Nothing is changed but the broker's address. The broker is one of the suite's, the topics have their default names.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.kafka.clients.toolchains import java_packages, need, node_packages, run_program
from tests.kafka.support.records import Record
from tests.kafka.support.running_shop import RunningShop, make_topics
from tests.kafka.support.service import Service, ShopTopics
from tests.kafka.support.shop_client import ShopClient
from tests.readme import README, ROOT, blocks

ADDRESS = "localhost:9092"
TOPICS = ShopTopics(
    purchases="purchases",
    catalog="catalog",
    requests="recommendation-requests",
    replies="recommendation-replies",
    models="recommendation-models",
    dead_letters="alsobought-dead-letters",
    reply_patterns=("recommendation-replies", "recommendation-requests.reply"),
)


@pytest.fixture(scope="module")
def shop(broker, tmp_path_factory):
    """A service on the default topics. Never on somebody's own broker, where these may hold real purchases."""
    if broker.kind == "own":
        pytest.skip("README.md's programs write to the topic purchases: not on a broker of your own")
    make_topics(broker, TOPICS)
    broker.create_topic("recommendation-requests.reply", 3)
    service = Service(broker, TOPICS, tmp_path_factory.mktemp("readme"), group="readme", role="worker")
    with ShopClient(broker) as client:
        try:
            yield RunningShop(broker, TOPICS, service.start(), client)
        finally:
            service.kill()


@pytest.fixture
def run(shop: RunningShop, tmp_path: Path):
    """`run("ask.mjs", text, "node", "ask.mjs")`: what the command prints beside a file with this text."""

    def run_it(name: str, text: str, *command: str) -> str:
        assert ADDRESS in text
        (tmp_path / name).write_text(text.replace(ADDRESS, shop.broker.bootstrap))
        return run_program(command, tmp_path)

    return run_it


def shown(language: str) -> str:
    return blocks(README, "A request, from four clients")[language]


def assert_answers(printed: str) -> None:
    """The one reply among the lines is an answer; the others are what a client logs."""
    (line,) = [line for line in printed.splitlines() if line.startswith('{"profile_id":')]
    reply = json.loads(line)
    assert (reply["profile_id"], reply["kind"], reply["degraded"]) == ("c-42", "recs", "no_model")
    assert reply["shortfall"]["asked"] == 5


@pytest.mark.needs_real_broker(one=True)
def test_kcat(run, or_untried):
    or_untried("kcat", lambda: need("kcat"))

    assert_answers(run("ask.sh", shown("sh"), "sh", "ask.sh"))


@pytest.mark.needs_real_broker(one=True)
def test_java(run, or_untried):
    jars = or_untried("spring", lambda: java_packages("spring"))

    assert_answers(run("Ask.java", shown("java"), "java", "-cp", f"{jars}/*", "Ask.java"))


@pytest.mark.needs_real_broker(one=True)
def test_node(run, or_untried, tmp_path):
    packages = or_untried("kafkajs", lambda: node_packages("kafkajs"))
    shutil.copytree(packages / "node_modules", tmp_path / "node_modules")

    assert_answers(run("ask.mjs", shown("js"), "node", "ask.mjs"))


@pytest.mark.needs_real_broker(one=True)
def test_nestjs(run, or_untried, tmp_path):
    packages = or_untried("nestjs", lambda: node_packages("nestjs"))
    shutil.copytree(packages / "node_modules", tmp_path / "node_modules")

    assert_answers(run("ask.mjs", blocks(ROOT / "docs" / "clients.md", "NestJS")["js"], "node", "ask.mjs"))


@pytest.mark.needs_real_broker(one=True)
def test_python(run):
    assert_answers(run("ask.py", shown("python"), sys.executable, "ask.py"))


@pytest.mark.needs_real_broker(one=True)
def test_the_purchase_is_taken_and_the_reply_has_the_fields_that_the_readme_shows(shop):
    purchase = blocks(README, "A purchase")["json"]
    example = json.loads(blocks(README, "The reply")["json"])
    profile = json.loads(purchase)["profile_id"]

    place = shop.buy(Record(profile.encode(), purchase.encode()))[0]
    other = Record(b"c-1", b'{"profile_id": "c-1", "items": [{"product_id": "sugar-bowl"}]}')
    shop.ask_after(shop.buy(other)[0], "c-1")
    reply = shop.ask_after(place, profile)

    assert reply.keys() == example.keys()
    assert reply["recommendations"][0].keys() == example["recommendations"][0].keys()
    assert reply["watermark"].keys() == example["watermark"].keys()
