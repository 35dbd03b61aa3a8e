"""Options of the whole suite, and signals as a terminal sends them.

They live here because pytest reads this file before it knows which tests it will run.
"""

import os
import random
import signal

import pytest

from tests.kafka.brokers.fleet import kinds

pytest_plugins = ["tests.builders.fixtures", "tests.lanes"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("alsobought")
    group.addoption(
        "--broker",
        default=os.environ.get("KAFKA_BOOTSTRAP") or "all",
        metavar="all|embedded|java|docker|HOST:PORT",
        help="which Kafka the tests in tests/kafka run on (default: KAFKA_BOOTSTRAP, else all three kinds)",
    )
    group.addoption(
        "--every-broker",
        action="store_true",
        help="the whole matrix: every test of tests/kafka on each kind of broker (default: tests of what depends on "
        "the broker on each kind, the others on the first real one)",
    )
    group.addoption(
        "--require-brokers",
        action="store_true",
        default=bool(os.environ.get("CI")),
        help="a kind of broker that cannot be started is an error, not a skip (default: where CI is set)",
    )
    group.addoption(
        "--chaos-minutes",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="how long the chosen tests of tests/kafka/chaos may take in all (default: each only as long as it must)",
    )
    group.addoption(
        "--chaos-seed",
        type=int,
        default=random.randrange(10**6),
        metavar="NUMBER",
        help="what decides by chance in tests/kafka/chaos; a run says its own, to be given again",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a broker that is none; hear Ctrl-C, which a test's processes would ignore where this one does."""
    try:
        kinds(config.getoption("--broker"))
    except ValueError as problem:
        raise pytest.UsageError(str(problem)) from problem
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
