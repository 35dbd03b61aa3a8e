"""Fixtures of several unit tests: the small shop, whose model is learnt once per run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.small_shop import SmallShop, copied, open_shop, trained_folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and a model; it is not to be changed."""
    return trained_folder(tmp_path_factory.mktemp("trained") / "data")


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained folder."""
    return copied(trained, tmp_path / "data")


@pytest.fixture
def shop(folder: Path) -> Iterator[SmallShop]:
    """The small shop with its model answering."""
    opened = open_shop(folder)
    yield opened
    opened.store.close()


@pytest.fixture
def untrained_shop(folder: Path) -> Iterator[SmallShop]:
    """The small shop before anything was learnt."""
    opened = open_shop(folder, with_model=False)
    yield opened
    opened.store.close()
