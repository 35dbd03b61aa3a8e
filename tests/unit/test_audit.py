"""The audit of dependencies: a vulnerability fails it, data that are out of reach are said and do not."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit"


@pytest.fixture(scope="module")
def audit():
    spec = spec_from_loader("audit", SourceFileLoader("audit", str(SCRIPT)))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(name, *flaws):
    return {"name": name, "version": "1.0", "vulns": [{"id": flaw, "fix_versions": ["1.1"]} for flaw in flaws]}


SKIPPED = {"name": "ours", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_a_vulnerability_is_named_with_the_version_that_mends_it(audit):
    lines, found = audit.verdict("some.lock", {"dependencies": [package("sound"), package("leaky", "CVE-1"), SKIPPED]})

    assert found
    assert lines == [
        "some.lock: leaky 1.0: CVE-1, mended in 1.1",
        "some.lock: 2 of 3 packages looked up, 1 vulnerabilities",
    ]


def test_packages_without_one_pass(audit):
    assert audit.verdict("some.lock", {"dependencies": [package("sound")]}) == (
        ["some.lock: 1 of 1 packages looked up, 0 vulnerabilities"],
        False,
    )


def test_where_nothing_could_be_looked_up_it_is_said_that_nothing_was_audited(audit):
    (line,), found = audit.verdict("some.lock", {"dependencies": [SKIPPED, SKIPPED]})

    assert not found
    assert line.startswith("!!! NOT AUDITED: some.lock")


def test_a_tool_that_gives_no_report_is_said_and_does_not_fail(audit, monkeypatch, capsys):
    monkeypatch.setattr(audit, "installed", lambda: True)
    monkeypatch.setattr(audit, "audited", lambda _lock: None)

    assert audit.main(["some.lock"]) is False
    assert "!!! NOT AUDITED: some.lock: the list of vulnerabilities can not be reached" in capsys.readouterr().out
