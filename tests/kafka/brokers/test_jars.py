"""The jars of the Java broker are the committed ones, or the run says which are not."""

import hashlib
from pathlib import Path

import pytest

from tests.kafka.brokers.jars import check


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    (tmp_path / "a.jar").write_bytes(b"a")
    listed = tmp_path / "jars.sha256"
    listed.write_text(f"{hashlib.sha256(b'a').hexdigest()}  a.jar\n")
    return listed


def test_the_listed_jars_pass(sums: Path) -> None:
    check(sums.parent, sums)


def test_a_changed_jar_is_named(sums: Path) -> None:
    (sums.parent / "a.jar").write_bytes(b"changed")

    with pytest.raises(ValueError, match=r"a\.jar has sha256 .* Delete .* and run again"):
        check(sums.parent, sums)


def test_a_missing_and_an_additional_jar_are_named(sums: Path) -> None:
    (sums.parent / "a.jar").rename(sums.parent / "b.jar")

    with pytest.raises(ValueError, match=r"a\.jar is missing; b\.jar is not on the list"):
        check(sums.parent, sums)
