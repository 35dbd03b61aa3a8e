"""Fixtures of the Kafka suite: a test that takes `broker` runs on the kinds that --broker names, where it matters.

What depends on the broker (marked `every_broker`) runs on each kind, the rest on the first real one of them, the
embedded one where there is none; with --every-broker everything runs on each kind.

Brokers start when first needed, once per run. A kind that this machine cannot start is skipped with a line at the end
that says what to install; where brokers are required (CI, --require-brokers, the kind named) its tests are errors.
Topics, group and service of a test are its own, so tests may share a broker. `needs_real_broker` leaves out the
embedded one; `needs_real_broker(one=True)` is for what takes long and is the same on every real broker: it runs on the
first.
"""

import re
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.kafka.brokers.broker import Broker, eventually
from tests.kafka.brokers.fleet import ALL, MISSING, Fleet, kinds, may_start
from tests.kafka.brokers.jars import Unavailable
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.clients.toolchains import UNTRIED
from tests.kafka.support.load import two_interests
from tests.kafka.support.running_shop import RunningShop, make_topics, named_topics, running_shop
from tests.kafka.support.service import Service, ShopTopics
from tests.kafka.support.shop_client import ShopClient
from tests.kafka.support.warm_parent import WarmParent
from tests.lanes import say_at_the_end

T = TypeVar("T")
SERVICES = pytest.StashKey[list[Service]]()
SOMETHING_RAN = pytest.StashKey[bool]()
CLIENT_TABLE: list[tuple[str, int, int, int, int]] = []
Topics = Callable[..., str]
"""`topics("purchases", 6, {"cleanup.policy": "compact"})`: the new topic's full name."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "broker" in metafunc.fixturenames:
        kinds_of_test = _kinds(metafunc.config, metafunc.definition)
        metafunc.parametrize("broker", kinds_of_test, indirect=True, scope="session")


def _kinds(config: pytest.Config, test: pytest.Item) -> list[Any]:
    """The kinds of broker that a test runs on."""
    chosen = _chosen(config)
    real = [kind for kind in chosen if kind != "embedded"]
    # where brokers are required a kind that is missing fails, so none is left out for being so
    first = real[:1] if config.getoption("--require-brokers") else [kind for kind in real if may_start(kind)][:1]
    each = config.getoption("--every-broker") or test.get_closest_marker("every_broker")
    if marker := test.get_closest_marker("needs_real_broker"):
        no_mock = pytest.mark.skip(reason="needs a real broker")
        wanted = real if each and not marker.kwargs.get("one") else first or real[:1]
        return wanted or [pytest.param("embedded", marks=no_mock)]
    return chosen if each else first or chosen[:1]


def pytest_itemcollected(item: pytest.Item) -> None:
    if {"broker", "java_cluster"} & set(getattr(item, "fixturenames", ())):
        item.add_marker("kafka")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if "broker" in getattr(item, "fixturenames", ()):
        item.config.stash[SOMETHING_RAN] = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        arguments = getattr(item, "funcargs", {}).values()
        shared = [value.service for value in arguments if isinstance(value, RunningShop)]
        for service in [*item.stash.get(SERVICES, []), *shared]:
            report.sections.append((f"alsobought run, {service.role}: {service.log}", service.log_tail()))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    for kind, reason in MISSING.items():
        say_at_the_end(config, f"!!! NOT TESTED on the {kind} broker: {reason}", loud=True)
    for client, reason in UNTRIED.items():
        say_at_the_end(config, f"!!! NOT TESTED with {client}: {reason}", loud=True)
    if CLIENT_TABLE:
        say_at_the_end(config, f"{'client':<12}{'asked':>7}{'answered':>10}{'equal':>7}{'errors':>8}")
    for client, asked, answered, equal, errors in CLIENT_TABLE:
        say_at_the_end(config, f"{client:<12}{asked:>7}{answered:>10}{equal:>7}{errors:>8}")
    if SOMETHING_RAN in config.stash:
        say_at_the_end(config, _matrix(config), last=True)


def _matrix(config: pytest.Config) -> str:
    chosen = _chosen(config)
    if len(chosen) == 1:
        return f"Kafka: every test on one kind of broker, {chosen[0]}"
    if config.getoption("--every-broker"):
        return f"Kafka: the whole matrix, every test on each kind of broker ({', '.join(chosen)})"
    return (
        f"Kafka: what depends on the broker on each kind ({', '.join(chosen)}), the rest on the first real one; "
        "the whole matrix: --every-broker"
    )


@pytest.fixture(scope="session", autouse=True)
def warm_parent(pytestconfig: pytest.Config) -> Iterator[None]:
    """Services start from a process that has imported them; where chaos is given its time, only those with a pace."""
    Service.warm_parent = parent = WarmParent()
    Service.usually_cold = bool(pytestconfig.getoption("--chaos-minutes"))
    yield
    parent.close()
    Service.warm_parent, Service.usually_cold = None, False


@pytest.fixture(scope="session")
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    brokers = Fleet(tmp_path_factory.mktemp("brokers"), request.config.getoption("--broker"))
    yield brokers
    brokers.stop()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest, fleet: Fleet) -> Broker:
    """The broker of this test, shared with the other tests of the run: do not stop it."""
    return _or_skip(request.config, request.param, lambda: fleet.get(request.param))


@pytest.fixture
def java_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., JavaBroker]]:
    """`java_cluster(nodes=3, ...)` starts a Java broker of the test's own, to be stopped and killed at will."""
    if "java" not in _chosen(request.config):
        pytest.skip("needs --broker=java or all")
    started: list[JavaBroker] = []

    def start(**options: Any) -> JavaBroker:
        cluster = JavaBroker(tmp_path / f"kafka{len(started)}", **options)
        started.append(cluster)
        return _or_skip(request.config, "java", cluster.start)

    yield start
    for cluster in started:
        cluster.kill()


@pytest.fixture
def client_table() -> list[tuple[str, int, int, int, int]]:
    """(client, asked, answered, equal to a plain client's, error replies) of each client tried; shown at the end."""
    return CLIENT_TABLE


@pytest.fixture
def or_untried(request: pytest.FixtureRequest) -> Callable[[str, Callable[[], T]], T]:
    """`or_untried("nestjs", make)`: what `make` gives; where this machine cannot, as with a missing broker."""

    def made(client: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except Unavailable as reason:
            UNTRIED[client] = str(reason)  # the end of the run says it too
        what = f"{client} is not tried: {UNTRIED[client]}"
        if request.config.getoption("--require-brokers"):
            pytest.fail(what, pytrace=False)
        pytest.skip(what)

    return made


@pytest.fixture(scope="session")
def trained(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    """A shop whose model has learnt tea things and camping things apart; the tests that share it leave it in force."""
    folder = tmp_path_factory.mktemp("trained")
    settings = {"train_min_new_events": "100", "train_max_wait_s": "1000"}
    with running_shop(broker, folder, role="both", cold=True, **settings) as shop:
        shop.buy(*two_interests(120))
        eventually(lambda: shop.service.metric("alsobought_model_version") > 0, "a model answers", timeout_s=60)
        yield shop


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Starts the name of everything this test makes on the broker: readable, and never used before."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.originalname.removeprefix("test_").lower())[:40]
    return f"{readable}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def group(prefix: str) -> str:
    return f"{prefix}-group"


@pytest.fixture
def topics(broker: Broker, prefix: str) -> Iterator[Topics]:
    made: list[str] = []

    def create(name: str, partitions: int = 6, config: dict[str, str] | None = None) -> str:
        full_name = f"{prefix}.{name}"
        broker.create_topic(full_name, partitions, config)
        made.append(full_name)
        return full_name

    yield create
    if broker.kind == "own":
        broker.delete_topics(*made)


@pytest.fixture
def shop_topics(broker: Broker, prefix: str) -> Iterator[Callable[..., ShopTopics]]:
    """`shop_topics(partitions=6)` makes every topic that a service needs."""
    made: list[ShopTopics] = []

    def create(partitions: int = 6) -> ShopTopics:
        names = named_topics(prefix)
        make_topics(broker, names, partitions)
        made.append(names)
        return names

    yield create
    if broker.kind == "own":
        for names in made:
            broker.delete_topics(*names.all())


@pytest.fixture
def shop(broker: Broker) -> Iterator[ShopClient]:
    with ShopClient(broker) as client:
        yield client


@pytest.fixture
def start_service(
    request: pytest.FixtureRequest, broker: Broker, group: str, tmp_path: Path
) -> Iterator[Callable[..., Service]]:
    """`start_service(topics, role="both", name="one", wait=True, **settings)`: a service that runs until the test ends.

    `name` is its folder under tmp_path; each needs its own. Settings are strings, named without ALSOBOUGHT_.
    """
    services = request.node.stash.setdefault(SERVICES, [])

    def start(
        made: ShopTopics, *, name: str = "service", role: str = "both", wait: bool = True, **settings: str
    ) -> Service:
        service = Service(broker, made, tmp_path / name, group=group, role=role, settings=settings)
        services.append(service)
        return service.start(wait=wait)

    yield start
    for service in services:
        service.kill()


def _chosen(config: pytest.Config) -> list[str]:
    return list(kinds(config.getoption("--broker")))


def _or_skip(config: pytest.Config, kind: str, start: Callable[[], T]) -> T:
    """What `start` gives; the test is skipped, or an error where brokers are required, when this machine cannot."""
    try:
        return start()
    except Unavailable as reason:
        MISSING[kind] = str(reason)
    what = f"the {kind} broker is not there: {MISSING[kind]}"
    if config.getoption("--require-brokers") or config.getoption("--broker") in ALL:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
