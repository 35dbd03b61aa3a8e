"""The documentation says what the code does: settings, metrics, topics and commands."""

from pathlib import Path
from subprocess import run

import pytest

from config.descriptions import default_value
from config.settings import Settings, TopicSettings
from consumers.observability.metrics import Metrics
from serving.cli.main import COMMANDS
from serving.reports.docs_pages import metrics_page, settings_page

ROOT = Path(__file__).parents[2]
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
