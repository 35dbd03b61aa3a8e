"""What is loaded when, and that the import rules catch what they are there for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "model", "consumers", "serving")
OF_LEARNING = ("gensim", "scipy", "duckdb", "matplotlib")


def test_the_service_loads_nothing_that_only_learning_and_files_need():
    assert loaded("import serving.runtime.service", OF_LEARNING) == []


@pytest.mark.parametrize("command", [[], ["run"], ["train"]])
def test_help_loads_no_model_at_all(command):
    help_of = f"from serving.cli.main import alsobought; alsobought([*{command}, '--help'], standalone_mode=False)"

    assert loaded(help_of, (*OF_LEARNING, "faiss")) == []


def test_a_command_does_not_import_the_service_for_the_name_of_a_topic():
    commands = "import serving.cli.forgotten, serving.cli.dead_letters, serving.cli.ask, serving.cli.models"

    rooms = ("serving.runtime.service", "serving.runtime.assembly", "serving.recommendation", "consumers.loop")
    assert loaded(commands, rooms) == []


def test_asking_loads_no_arrays():
    assert loaded("import serving.cli.ask", ("numpy", "faiss")) == []


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of the modules are loaded in a fresh Python once the code has run."""
    ask = f"import sys\n{code}\nprint('loaded:', *[name for name in {names} if name in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    words, *found = said.stdout.splitlines()[-1].split()
    assert words == "loaded:"
    return found


# -- the rules themselves


@pytest.fixture
def copied(tmp_path):
    """The product's tree, in a folder of its own."""
    folder = tmp_path / "tree"
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_imports_against_the_rules_are_caught(copied):
    planted = {
        "model/store/writer.py": ("model.training.gate", "model.store is not allowed to import model.training"),
        "consumers/kafka/records.py": ("consumers.loop.worker", "consumers.kafka is not allowed to import"),
        "serving/live_models/memory.py": ("serving.cli.main", "serving.live_models is not allowed to import"),
        "model/purchases/changes.py": ("consumers.kafka.clients", "model is not allowed to import consumers"),
        "model/ranking/retrieval.py": ("faiss", "model.ranking.retrieval -> faiss"),
        "serving/recommendation/answer.py": ("confluent_kafka", "serving.recommendation.answer -> confluent_kafka"),
        "serving/protocol/deadlines.py": ("prometheus_client", "serving.protocol.deadlines -> prometheus_client"),
    }
    for module, (name, _) in planted.items():
        file = copied / module
        file.write_text(f"{file.read_text('utf-8')}\nimport {name}\n", "utf-8")

    code, said = checked(copied)

    words = " ".join(said.split())
    assert (code, [caught for _, caught in planted.values() if caught not in words]) == (1, [])


def test_a_room_that_has_no_floor_is_caught(copied):
    room = copied / "model" / "attic"
    room.mkdir()
    (room / "__init__.py").touch()

    code, said = checked(copied)

    assert (code, "attic" in said) == (1, True)


def test_the_tree_as_it_stands_keeps_every_rule(copied):
    code, said = checked(copied)

    assert (code, "0 broken" in said) == (0, True), said


def checked(folder: Path) -> tuple[int, str]:
    """The exit code of `lint-imports` on a tree, and what it said."""
    ask = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    ran = subprocess.run(
        [sys.executable, "-c", ask, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return ran.returncode, ran.stdout + ran.stderr
