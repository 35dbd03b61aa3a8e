"""The documentation says what the code does: settings, metrics, topics, commands, rooms, files and words."""

import ast
import re
from pathlib import Path
from subprocess import run

import pytest
from click.testing import CliRunner

from config.descriptions import default_value
from config.settings import Settings, TopicSettings
from consumers.observability.metrics import Metrics
from serving.cli.docs import docs
from serving.cli.main import COMMANDS
from serving.reports.docs_pages import metrics_page, settings_page
from serving.reports.docs_rooms import FOLDERS, plan, rooms, sentence, with_plan

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
PACKAGES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py"))
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
A_FILE = re.compile(
    r"(?<![\w/.<-])(?:config|model|consumers|serving|tests|docs|deploy|\.ci)/[a-z0-9_./-]*\.(?:py|md|toml|yml|png)\b"
)
A_MODULE = re.compile(r"(?<![\w/.])[a-z_]\w*\.py\b")
A_LINK = re.compile(r"\]\((?![a-z]+:)([^)#]*)(?:#([^)]+))?\)")
TOPICS = [name for name in TopicSettings.model_fields if name.endswith("_topic")]
SHOWN_COMMANDS = [name for name, entry in COMMANDS.items() if not entry.hidden]


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def rows_of(text):
    """Return the cells of every table row of a Markdown text."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")
    ]


@pytest.mark.parametrize(
    ("page", "generated"), [("docs/settings.md", settings_page), ("docs/metrics.md", metrics_page)]
)
def test_a_generated_page_is_up_to_date(page, generated):
    assert text_of(page) == generated(), f"{page} is old: `make docs` writes it anew"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default_and_its_meaning(name):
    rows = [row for row in rows_of(text_of("docs/settings.md")) if row[0].startswith(f"`{name}`")]

    assert len(rows) == 1
    assert rows[0][1] == (f"`{default_value(name)}`" if default_value(name) else "")
    assert rows[0][3] == Settings.model_fields[name].description


def test_every_metric_is_documented_with_its_type_and_its_labels():
    documented = {row[0]: row[1:3] for row in rows_of(text_of("docs/metrics.md"))[2:]}
    expected = {
        f"`{metric.name}`": [metric.kind, ", ".join(f"`{label}`" for label in metric.labels)]
        for metric in Metrics().described()
    }

    assert documented == expected


@pytest.mark.parametrize("setting", TOPICS)
def test_the_readme_names_every_topic(setting):
    assert f"`{default_value(setting)}`" in text_of("README.md")


@pytest.mark.parametrize("command", SHOWN_COMMANDS)
def test_the_readme_names_every_command(command):
    assert f"alsobought {command}" in text_of("README.md")


@pytest.mark.parametrize(("target", "minutes"), [("chaos", 10), ("soak", 60)])
def test_make_takes_the_minutes_that_the_chaos_page_promises(target, minutes):
    told = run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)

    assert f"--chaos-minutes={minutes} " in told.stdout


def prose(page):
    """Return the text of a page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Return what the headings of a page are called in links."""
    titles = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def words_of(text):
    """Return a text in lower case, its names as words: `QueryBatch` and `query_batch` are both "query batch"."""
    return re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)).lower()


def glossary():
    """Return every word of the glossary, in the order there."""
    rows = [row for row in rows_of(text_of("docs/glossary.md")) if row[0] not in {"word", "---"}]
    assert all(len(row) == 2 and row[1] for row in rows)
    return [word.strip() for row in rows for word in row[0].split(",")]


def test_the_plan_of_the_rooms_is_up_to_date():
    page = text_of("docs/architecture.md")

    assert page == with_plan(page), "docs/architecture.md is old: `make docs` writes it anew"


def test_the_plan_names_every_room_once_with_its_sentence(tmp_path):
    for room, told in (
        ("model", "Pure."),
        ("model/low", "Stands below.\n\nMore."),
        ("model/high", "Stands above. And so on."),
    ):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text(f'"""{told}"""\n')
    (tmp_path / "model" / "beside.py").write_text('"""Stands\nbeside."""\n')
    for folder in set(FOLDERS) - {"model"}:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(f'"""{folder}."""\n')
    layers = 'type = "layers"\ncontainers = ["model"]\nlayers = ["(later)", "high", "low | beside"]'
    (tmp_path / "pyproject.toml").write_text(f"[[tool.importlinter.contracts]]\n{layers}\n")

    lines = plan(tmp_path).splitlines()

    assert [" ".join(line.split()) for line in lines if line] == [
        "serving/ serving.",
        "consumers/ consumers.",
        "model/ Pure.",
        "2 high Stands above.",
        "1 low Stands below.",
        "beside Stands beside.",
        "config/ config.",
    ]


def test_the_command_writes_every_generated_page(tmp_path):
    pages = ["settings.md", "metrics.md", "architecture.md"]
    page = text_of("docs/architecture.md")
    (tmp_path / "architecture.md").write_text(page.replace(plan(), "as it was before\n"), encoding="utf-8")

    ended = CliRunner().invoke(docs, [str(tmp_path)])

    assert ended.output.splitlines() == [f"wrote {tmp_path / name}" for name in pages]
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in pages] == [
        text_of(f"docs/{name}") for name in pages
    ]


def test_a_page_without_a_place_for_the_plan_is_refused():
    with pytest.raises(ValueError, match="no place for the plan"):
        with_plan("# Architecture\n")


@pytest.mark.parametrize("package", [str(path.parent.relative_to(ROOT)) for path in PACKAGES])
def test_a_package_holds_its_sentence_and_nothing_else(package):
    body = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body

    assert len(body) == 1
    assert sentence(ROOT / package) == ast.literal_eval(body[0].value)


@pytest.mark.parametrize("folder", FOLDERS)
def test_contributing_names_exactly_the_rooms_there_are(folder):
    (told,) = [row[2] for row in rows_of(text_of("CONTRIBUTING.md")) if row[0] == f"`{folder}/`"]

    assert re.findall(r"`(\w+)`", told) == rooms(ROOT / folder)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page):
    text = text_of(page)
    modules = {path.name for folder in (*FOLDERS, "tests") for path in (ROOT / folder).rglob("*.py")}

    assert not [path for path in A_FILE.findall(text) if not (ROOT / path).exists()]
    assert not [name for name in A_MODULE.findall(text) if name not in modules]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    for target, anchor in A_LINK.findall(prose(page)):
        path = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.relative_to(ROOT)), f"{target}#{anchor}"


def test_the_glossary_says_a_word_once():
    words = [word.lower() for word in glossary()]

    assert sorted(words) == sorted(set(words))


def test_every_word_of_the_glossary_is_met_somewhere():
    pages = [ROOT / page for page in PAGES if page != "docs/glossary.md"]
    met = words_of(" ".join(path.read_text(encoding="utf-8") for path in [*SOURCES, *pages]))

    assert not [word for word in glossary() if f" {words_of(word).strip()} " not in met]


def alarms():
    """Return the names of the events that the code logs as warnings, errors or exceptions."""
    calls = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return {
        name.value
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr in {"warning", "error", "exception"} and ast.unparse(call.func.value) in {"log", "_log"}
        for name in ast.walk(call.args[0])
        if isinstance(name, ast.Constant)
    }


@pytest.mark.parametrize("event", sorted(alarms()))
def test_operations_say_what_to_do_about_every_alarm_in_the_log(event):
    rows = rows_of(text_of("docs/operations.md"))

    assert [row for row in rows if f"`{event}`" in row[0]]


def test_every_page_can_be_reached_from_the_readme():
    reached, left = set(), ["README.md"]
    while left:
        page = left.pop()
        reached.add(page)
        found = {((ROOT / page).parent / target).resolve() for target, _ in A_LINK.findall(prose(page)) if target}
        left += {str(path.relative_to(ROOT)) for path in found if path.suffix == ".md"} - reached

    assert not set(PAGES) - reached
