"""How a run is spread over processes: lanes side by side, what needs calm alone, what is dear made once.

A plugin of tests/conftest.py. `make test` hands pytest-xdist `-n auto --dist loadscope`: the tests of a kind of Kafka
broker are one lane (those of Java are two), since they wait more than they work and share a broker; every other file is
a lane of its own, so that its fixtures are made once. Lanes of Kafka begin first: they take longest. Without `-n`
nothing here changes a run.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

KINDS = ("java", "docker", "embedded", "own")
SHARED = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
SAID = pytest.StashKey[dict[str, tuple[bool, bool]]]()
_KIND = re.compile(rf"[\[-]({'|'.join(KINDS)})(?=[\]-])")
_FIRST_HALF = ("operations", "brokers", "clients")  # of tests/kafka, by how long they take
_FOLDERS = ("tests/kafka", "tests/programs", "")  # of lanes, those that take longest first


def say_at_the_end(config: pytest.Config, line: str, *, loud: bool = False, last: bool = False) -> None:
    """A line for the end of the run, once however many tests and processes say it; a loud one is red."""
    config.stash.setdefault(SAID, {})[line] = (last, loud)


def lane(nodeid: str) -> str:
    """The lane of a test: those of one lane run in one process, one after the other."""
    path = nodeid.partition("::")[0]
    kind = _KIND.search(nodeid.partition("::")[2])
    if not path.startswith("tests/kafka/"):
        return path
    on = kind[1] if kind else "java"  # what has no kind starts Java brokers of its own
    if on == "java":  # most tests run on it: two lanes, each with a broker of its own
        on = f"{on}, {'first' if path.split('/')[2] in _FIRST_HALF else 'second'} half"
    return f"kafka on {on}"


class Lanes(LoadScopeScheduling):
    """Hands out whole lanes."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return Lanes(config, log) if config.option.dist == "loadscope" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two more than there are cores, since Kafka's lanes wait; none beside this process for a single file or test."""
    files = {argument.partition("::")[0] for argument in config.args}
    if all(Path(file).is_file() for file in files) and len(files) == 1:
        return 0
    return len(os.sched_getaffinity(0)) + 2


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _is_one_of_several(config):
        items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> tuple[int, int]:
    folder = next(at for at, name in enumerate(_FOLDERS) if nodeid.startswith(name))
    kind = lane(nodeid).removeprefix("kafka on ").partition(",")[0]
    return folder, KINDS.index(kind) if folder == 0 else 0


# -- what every process of a run shares


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a new process where the folder is that all of them share."""
    if SHARED not in node.config.stash:
        node.config.stash[SHARED] = tempfile.TemporaryDirectory(prefix="alsobought-tests-")
    shared = node.config.stash[SHARED]
    node.workerinput["shared"] = shared.name


def pytest_unconfigure(config: pytest.Config) -> None:
    if SHARED in config.stash:
        config.stash[SHARED].cleanup()


@pytest.fixture(scope="session")
def once_per_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Callable[[Path], object]], Path]:
    """`once_per_run("name", make)`: a folder that `make(folder)` filled, once however many processes ask.

    It is shared: copy what is to be changed.
    """
    place = _shared(request.config) or tmp_path_factory.mktemp("once")

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        made, aside = place / name, place / f"{name}.aside"
        with _locked(place / f"{name}.lock", fcntl.LOCK_EX):
            if not made.exists():
                make(aside)
                aside.rename(made)
        return made

    return folder


# -- tests that need calm


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of the timeout: waiting for the others is no test's fault
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    shared = _shared(item.config)
    if shared is None:
        return (yield)
    with _admitted(shared, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _admitted(shared: Path, *, alone: bool) -> Iterator[None]:
    """Inside beside others, or alone. Who waits to be alone holds the door, so that nobody else goes in meanwhile."""
    room = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    with _locked(shared / "door.lock", fcntl.LOCK_EX) as door, _locked(shared / "room.lock", room):
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        yield


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    """The lock is gone with its holder, however that ends; a process that it starts does not inherit it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, how)
        yield handle
    finally:
        os.close(handle)


# -- lines at the end


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_one_of_several(session.config):
        session.config.workeroutput["said"] = session.config.stash.get(SAID, {})  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    for line, (last, loud) in getattr(node, "workeroutput", {}).get("said", {}).items():
        say_at_the_end(node.config, line, loud=loud, last=last)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    said = config.stash.get(SAID, {})
    for line, (_, loud) in sorted(said.items(), key=lambda one: one[1][0]):  # otherwise in the order of saying
        terminalreporter.write_line(line, red=loud, bold=loud)


def _is_one_of_several(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _shared(config: pytest.Config) -> Path | None:
    given = getattr(config, "workerinput", None)
    return None if given is None else Path(given["shared"])
