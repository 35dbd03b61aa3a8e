"""What the tests of chaos share: how long each may go on, what decides by chance, and the line that says what it found.

`--chaos-minutes` is for all that were chosen, each has a share of it by the weight in its marker; without it each goes
on only as long as its marker says is the least, and is left out where that is nothing.
"""

import random
from collections.abc import Iterator

import pytest

from tests.kafka.chaos.scenario import Scenario
from tests.lanes import say_at_the_end

_AROUND_S = 25.0  # what a scenario takes beside its chaos: starting brokers, catching up, comparing
_PATIENCE_S = 600.0  # beyond its time a scenario hangs


def pytest_report_header(config: pytest.Config) -> str:
    return f"chaos: seed {config.getoption('--chaos-seed')}"


@pytest.hookimpl(trylast=True)  # only those that were chosen share the minutes
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if marker := item.get_closest_marker("chaos"):
            item.add_marker(pytest.mark.timeout(_seconds(config, items, marker) + _PATIENCE_S))


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Iterator[Scenario]:
    """The time and the chance that this test has; what it tells is shown at the end of the run."""
    config, marker = request.config, request.node.get_closest_marker("chaos")
    seed: int = config.getoption("--chaos-seed")
    name: str = request.node.name.removeprefix("test_").replace("_", " ")
    chance = random.Random(f"{seed} {request.node.originalname}")
    seconds = _seconds(config, request.session.items, marker)
    if not seconds:
        pytest.skip("takes its time: give --chaos-minutes")
    scenario = Scenario(seconds, chance)
    yield scenario
    told = "; ".join(scenario.told) or "nothing was found out"
    say_at_the_end(config, f"chaos, seed {seed}: {name}: {told}")


def _seconds(config: pytest.Config, items: list[pytest.Item], marker: pytest.Mark) -> float:
    """How long the scenario with this marker may go on."""
    weights = [other.kwargs["weight"] for item in items if (other := item.get_closest_marker("chaos"))]
    in_all_s = 60 * config.getoption("--chaos-minutes") - _AROUND_S * len(weights)
    return max(float(marker.kwargs["least_s"]), in_all_s * marker.kwargs["weight"] / sum(weights))
