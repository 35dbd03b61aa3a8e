"""Options of the whole suite, and signals as a terminal sends them.

They live here because pytest reads this file before it knows which tests it will run.
"""

import os
import random
import signal

import pytest

pytest_plugins = ["tests.builders.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("alsobought")
    group.addoption(
        "--broker",
        default=os.environ.get("KAFKA_BOOTSTRAP") or "all",
        metavar="all|embedded|java|docker|HOST:PORT",
        help="which Kafka the tests in tests/kafka run on (default: KAFKA_BOOTSTRAP, else all three kinds)",
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


def pytest_configure() -> None:
    """Hear Ctrl-C: what was started in the background ignores it, and so would every process that a test starts."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
