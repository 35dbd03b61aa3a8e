"""Client programs in other languages: their packages fetched once into .kafka/clients, then run from there.

In: a folder of tests/kafka/clients with its program and, by exact version, what it needs (package.json and its lock
file, go.mod and go.sum, pom.xml). Out: the command that runs it. Unavailable with what to install where node, npm, go,
mvn or java are missing, or the packages can not be fetched. A changed folder is fetched anew; an interrupted one is
never taken.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.kafka.brokers.jars import JARS, Unavailable

CLIENTS = Path(__file__).parent
CACHE = JARS.parent / "clients"
FETCH_TIMEOUT_S = 280
RUN_TIMEOUT_S = 120
_SAID = 2000
UNTRIED: dict[str, str] = {}
"""Client -> why it was not tried, of this run; the end of the run says it loudly."""

_INSTALL = {
    "node": "Debian's package nodejs",
    "npm": "Debian's package npm",
    "go": "Go 1.26 or newer",
    "mvn": "Debian's package maven",
    "javac": "Java's JDK, Debian's package default-jdk-headless",
    "java": "Java's JDK, Debian's package default-jdk-headless",
    "kcat": "Debian's package kcat",
}


def need(*tools: str) -> None:
    """Unavailable unless each of these commands is there."""
    for tool in tools:
        if not shutil.which(tool):
            raise Unavailable(f"no {tool} on the PATH: install {_INSTALL[tool]}")


def node_packages(client: str) -> Path:
    """A folder in which node finds the client's packages; programs are copied there to be run."""
    need("node", "npm")
    names = ("package.json", "package-lock.json", ".npmrc")
    return _cached(client, names, lambda made: _copied(client, names, made) or _fetched(["npm", "ci"], made))


def java_packages(client: str) -> Path:
    """A folder with the jars of the client's pom.xml."""
    need("java", "javac", "mvn")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    pom = str(CLIENTS / client / "pom.xml")
    return _cached(
        client,
        ("pom.xml",),
        lambda made: _fetched(["mvn", "-q", "-B", "-f", pom, *goal, f"-DoutputDirectory={made}"], made),
    )


def node_program(client: str, program: str = "ask.js") -> list[str]:
    """The command that runs a program of the client's folder."""
    packages = node_packages(client)
    return ["node", str(shutil.copy(CLIENTS / client / program, packages / program))]


def java_program(client: str, program: str = "Ask.java") -> list[str]:
    """The command that runs a program of one Java file; it is compiled as it starts."""
    return ["java", "-cp", f"{java_packages(client)}/*", str(CLIENTS / client / program)]


def go_program(client: str) -> list[str]:
    """The command that runs the client's Go program, built."""
    need("go")
    folder = CLIENTS / client
    names = ("go.mod", "go.sum", "main.go")
    return [
        str(
            _cached(client, names, lambda made: _fetched(["go", "build", "-o", str(made / "ask"), "."], folder)) / "ask"
        )
    ]


def run_program(command: Sequence[str], folder: Path) -> str:
    """What it printed; AssertionError with what it said when it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as late:
        said = b"".join(output for output in (late.stdout, late.stderr) if output).decode("utf-8", "replace")
        raise AssertionError(f"{command[0]} took more than {RUN_TIMEOUT_S} s; it said: …{said[-_SAID:]}") from None
    said = (done.stdout + done.stderr)[-_SAID:]
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}; it said: …{said}"
    return done.stdout


def _cached(client: str, names: Sequence[str], make: Callable[[Path], object]) -> Path:
    content = b"".join((CLIENTS / client / name).read_bytes() for name in names)
    target = CACHE / f"{client}-{hashlib.sha256(content).hexdigest()[:12]}"
    if target.is_dir():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    # Fetched aside and renamed whole: an interrupted one is never taken for the packages.
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=CACHE) as aside:
        made = Path(aside) / "made"
        made.mkdir()
        make(made)
        if not target.is_dir():  # another run may have been faster
            made.rename(target)
    return target


def _copied(client: str, names: Sequence[str], to: Path) -> None:
    for name in names:
        shutil.copy(CLIENTS / client / name, to / name)


def _fetched(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCH_TIMEOUT_S,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise Unavailable(f"{command[0]} cannot fetch or build what it needs (is there a network?): {said[-400:]}")
