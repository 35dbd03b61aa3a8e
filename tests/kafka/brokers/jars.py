"""The official Apache Kafka broker as jars: resolved by Maven once, kept in .kafka/<version>, checked on every run.

`classpath()` gives what `java -cp` takes. Each jar must match jars.sha256, so a broken download or a changed pom.xml is
told from a broken test. After a change of pom.xml: `python -m tests.kafka.brokers.jars` resolves anew and rewrites
jars.sha256.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
KAFKA_VERSION = "4.3.1"
JARS = HERE.parents[2] / ".kafka" / KAFKA_VERSION
SUMS = HERE / "jars.sha256"
JAVA_NEEDED = 17
MAVEN_TIMEOUT_S = 240


class Unavailable(RuntimeError):
    """A kind of broker cannot be started on this machine; the message says what to install."""


def classpath() -> str:
    """Every jar of the broker, downloaded when this is the first time.

    Unavailable without Java 17 or, before the first download, without Maven or a network; ValueError when a jar is not
    the one in jars.sha256.
    """
    _need_java()
    if not JARS.is_dir():
        _download(JARS)
    check(JARS, SUMS)
    return f"{JARS}/*"


def check(folder: Path, sums: Path) -> None:
    """ValueError unless the folder holds exactly the jars listed in `sums` (lines as sha256sum writes them)."""
    listed = {name: digest for digest, name in map(str.split, sums.read_text().splitlines())}
    found = {jar.name: _sha256(jar) for jar in folder.glob("*.jar")}
    wrong = [f"{name} is missing" for name in sorted(listed.keys() - found.keys())]
    wrong += [f"{name} is not on the list" for name in sorted(found.keys() - listed.keys())]
    wrong += [
        f"{name} has sha256 {found[name]}, not {listed[name]}"
        for name in sorted(listed.keys() & found.keys())
        if found[name] != listed[name]
    ]
    if wrong:
        raise ValueError(
            f"the Kafka jars in {folder} are not those of {sums.name}: {'; '.join(wrong[:5])} ({len(wrong)} in all). "
            f"Delete {folder} and run again; after a change of pom.xml run: python -m tests.kafka.brokers.jars"
        )


def _need_java() -> None:
    if not shutil.which("java"):
        raise Unavailable(f"no java on the PATH: install Java {JAVA_NEEDED} or newer, e.g. openjdk-17-jre-headless")
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_NEEDED:
        raise Unavailable(f"Kafka {KAFKA_VERSION} needs Java {JAVA_NEEDED} or newer, found: {said.strip()[:80]!r}")


def _download(target: Path) -> None:
    if not shutil.which("mvn"):
        raise Unavailable("no mvn on the PATH: install Maven, which fetches Kafka's jars, e.g. the package maven")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Resolved aside and renamed whole: an interrupted download is never taken for the broker.
    with tempfile.TemporaryDirectory(prefix="download-", dir=target.parent) as aside:
        jars = Path(aside) / "jars"
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), *goal]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAVEN_TIMEOUT_S)
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if "ERROR" in line] or [done.stderr]
            raise Unavailable(f"Maven cannot fetch Kafka's jars (is there a network?): {said[0].strip()[:300]}")
        if not target.is_dir():  # another run may have been faster
            jars.rename(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as jar:
        return hashlib.file_digest(jar, "sha256").hexdigest()


def _renew() -> None:
    shutil.rmtree(JARS, ignore_errors=True)
    _download(JARS)
    SUMS.write_text("".join(f"{_sha256(jar)}  {jar.name}\n" for jar in sorted(JARS.glob("*.jar"))))


if __name__ == "__main__":
    _renew()
