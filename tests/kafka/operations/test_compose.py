"""docker-compose.yml as a user runs it: up, purchases and questions from the host, Prometheus, stop, start, down.

One stack serves the whole file and learns from one lot of purchases, in which nobody buys both kinds of things.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.kafka.brokers.broker import GivenBroker, eventually
from tests.kafka.brokers.fleet import kinds
from tests.kafka.conftest import _or_skip
from tests.kafka.support.compose_stack import ROOT, ComposeStack
from tests.kafka.support.records import purchase
from tests.kafka.support.shop_client import ShopClient

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

TEA = ("tea", "teapot", "cup", "sugar", "honey")
CAMPING = ("tent", "stove", "lamp", "mat", "rope")
PURCHASES = [
    purchase(f"c-{customer}", *((TEA, CAMPING)[customer % 2][(customer // 2 + order + step) % 5] for step in range(2)))
    for customer in range(400)
    for order in range(3)
]
SENT = len(PURCHASES) + 2  # ada's and bob's


@pytest.fixture(scope="module")
def stack(request):
    if "docker" not in kinds(request.config.getoption("--broker")):
        pytest.skip("needs --broker=docker or all")
    stack = _or_skip(request.config, "docker-compose", ComposeStack)
    try:
        stack.up()
        yield stack
    finally:
        print(stack.log_tail())
        stack.down()


@pytest.fixture(scope="module")
def learnt(stack):
    """The stack after 1200 purchases, a trained model, and two customers with one purchase each."""
    with ShopClient(GivenBroker(stack.bootstrap)) as shop:
        shop.send("purchases", *PURCHASES, purchase("ada", "tea"), purchase("bob", "tent"))
    everything = f'alsobought_events_total{{outcome="applied"}} == {SENT} and on () alsobought_model_version > 0'
    eventually(lambda: stack.query(everything), "Prometheus sees every purchase, and a model that answers", 90)
    return stack


def ask(stack, profile_id, folder):
    """The reply that `alsobought ask` on the host prints; `folder` holds no settings file."""
    options = ["--k", "4", "--json", "--bootstrap-servers", stack.bootstrap]
    command = [sys.executable, "-m", "serving", "ask", profile_id, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def products(reply):
    return {item["product_id"] for item in reply["recommendations"]}


def test_purchases_from_the_host_come_back_as_recommendations(learnt, tmp_path):
    ada, bob = ask(learnt, "ada", tmp_path), ask(learnt, "bob", tmp_path)

    assert (ada["degraded"], bob["degraded"]) == (None, None)
    assert products(ada) == set(TEA) - {"tea"}
    assert products(bob) == set(CAMPING) - {"tent"}


def test_prometheus_scrapes_the_service(learnt):
    target, *others = learnt.targets()

    assert (target["labels"]["job"], target["health"], others) == ("alsobought", "up", [])
    assert learnt.query('alsobought_events_total{outcome="applied"}') == [SENT]


def test_the_service_is_not_root_and_its_image_cannot_install_anything(stack):
    user = stack.inside("id", "-u")
    pip = stack.inside("python", "-m", "pip", "--version")
    write = stack.inside("touch", "/opt/alsobought/new")

    assert user == (0, "10001")
    assert [code for code, _ in (pip, write)] == [1, 1]


def test_a_service_that_is_stopped_ends_cleanly_and_comes_back_with_its_memory(learnt, tmp_path):
    before = ask(learnt, "ada", tmp_path)

    code = learnt.stop()
    learnt.start()
    after = ask(learnt, "ada", tmp_path)

    assert code == 0
    assert after["recommendations"] == before["recommendations"]
    assert after["model_version"] == before["model_version"]
