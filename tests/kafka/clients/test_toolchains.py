"""What the client programs need is named exactly, and what is missing is said with what to install."""

import json
import re

import pytest

from tests.kafka.brokers.jars import Unavailable
from tests.kafka.clients.toolchains import CLIENTS, go_program, java_program, need, node_program

EXACT = re.compile(r"\d+\.\d+\.\d+")


@pytest.mark.parametrize("program", [node_program, java_program, go_program])
def test_without_its_tools_a_client_is_said_to_be_unavailable_with_what_to_install(monkeypatch, tmp_path, program):
    client = {node_program: "kafkajs", java_program: "spring", go_program: "franz-go"}[program]
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Unavailable, match=r"no (node|java|go) on the PATH: install "):
        program(client)


def test_the_first_tool_that_is_missing_is_named(monkeypatch, tmp_path):
    (tmp_path / "node").write_text("#!/bin/sh\n")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Unavailable, match="no npm on the PATH: install Debian's package npm"):
        need("node", "npm")


@pytest.mark.parametrize("client", ["kafkajs", "nestjs"])
def test_node_clients_name_exact_versions_and_no_registry(client):
    wanted = json.loads((CLIENTS / client / "package.json").read_text())["dependencies"]
    locked = json.loads((CLIENTS / client / "package-lock.json").read_text())["packages"]

    assert [version for version in wanted.values() if not EXACT.fullmatch(version)] == []
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert [name for name, package in locked.items() if "resolved" in package] == []
    assert [name for name, package in locked.items() if name and "integrity" not in package] == []
