"""Options of the whole suite. They live here because pytest reads this file before it knows which tests it will run."""

import os

import pytest


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
