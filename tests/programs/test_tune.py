"""`alsobought tune` on a file: what it prints and writes, and what it refuses before it searches."""

import importlib.util
import signal

import pytest
from click.testing import CliRunner

from config.loading import load_settings
from serving.cli.main import alsobought
from serving.reports.progress import ProgressDisplay
from tests.builders.shop_histories import shop_histories, write_csv

SMALL = ["--days", "20", "--validation", "1", "--seeds", "1", "--vector-size", "8", "--epochs", "3"]
TUNED = ("vector_size", "window", "negative", "ns_exponent", "alpha", "epochs", "subsample", "min_count")


@pytest.fixture(scope="module")
def purchases(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("shop") / "purchases.csv", *shop_histories(customers=120))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALSOBOUGHT_CONFIG", raising=False)


@pytest.fixture
def interrupted_after(monkeypatch):
    """Press Ctrl-C when so many attempts were judged, and again when so much of the gain was measured."""

    def press(attempts, testing=2.0):
        show = ProgressDisplay.show

        def show_and_press(display, what, done, detail=""):
            show(display, what, done, detail)
            if (what == "searching" and detail == f"{attempts} tried") or (what == "testing" and done >= testing):
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(ProgressDisplay, "show", show_and_press)

    return press


def run(*arguments):
    return CliRunner().invoke(alsobought, ["tune", *map(str, arguments)])


def test_ctrl_c_ends_the_search_and_what_was_found_is_reported_and_written(purchases, tmp_path, interrupted_after):
    interrupted_after(3)
    result = run(purchases, *SMALL)

    assert result.exit_code == 0, result.output
    assert "stopped: this is what was found so far" in result.stdout
    assert "3 settings tried on 1 validation windows" in result.stdout
    written = load_settings({}, tmp_path / "alsobought-tuned.toml")
    change = "take the settings found" in result.stdout
    assert change is not ("keep the settings in force" in result.stdout)
    assert change is ([getattr(written, name) for name in TUNED] != [8, 30, 20, 0.5, 0.05, 3, 1e-4, 2])


def test_the_file_holds_the_gain_beside_the_settings_and_can_be_gone_on_from(purchases, tmp_path, interrupted_after):
    path = tmp_path / "shop.toml"
    path.write_text('group_id = "shop"\nepochs = 3\n', encoding="utf-8")
    interrupted_after(1)

    first = run(purchases, "--days", "20", "--validation", "1", "--config", path, "--output", path)

    assert first.exit_code == 0, first.output
    assert load_settings({}, path).group_id == "shop"
    assert "1 settings tried" in path.read_text(encoding="utf-8")
    assert run(purchases, "--days", "20", "--validation", "1", "--config", path, "--output", path).exit_code == 0


def test_ctrl_c_while_the_gain_is_measured_leaves_the_settings_in_force(purchases, interrupted_after):
    interrupted_after(4, testing=0.0)
    result = run(purchases, *SMALL)

    assert result.exit_code == 0, result.output
    assert "keep the settings in force" in result.stdout


def test_however_few_the_minutes_the_settings_in_force_are_measured_and_it_ends_in_a_sentence(purchases, tmp_path):
    result = run(purchases, *SMALL, "--minutes", "0.0001")

    assert result.exit_code == 0, result.output
    assert "0.0001 min are enough for one setting only" in result.stdout
    assert "1 settings tried" in result.stdout
    assert (
        "keep the settings in force: no other settings could be tried in this time: give more --minutes"
        in result.stdout
    )
    assert load_settings({}, tmp_path / "alsobought-tuned.toml").epochs == 3


def test_it_says_before_the_search_what_the_minutes_can_buy(purchases, interrupted_after):
    interrupted_after(1)
    result = run(purchases, *SMALL, "--minutes", "600")

    promise, found = result.stdout.index("600 min are enough for"), result.stdout.index("1 settings tried")
    assert promise < found


def test_ctrl_c_before_anything_was_judged_says_that_nothing_was_written(purchases, tmp_path, monkeypatch):
    show = ProgressDisplay.show

    def press(display, what, done, detail=""):
        show(display, what, done, detail)
        if what == "searching":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ProgressDisplay, "show", press)
    result = run(purchases, *SMALL)

    assert result.exit_code == 1
    assert "nothing was measured, nothing was written" in result.stderr
    assert not (tmp_path / "alsobought-tuned.toml").exists()


def test_a_file_with_settings_that_are_not_in_force_is_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text("epochs = 40\n", encoding="utf-8")

    result = run("no-such-file.csv", "--output", path)

    assert result.exit_code == 2
    assert f"epochs = 40 instead of 25): start from them with --config {path}" in " ".join(result.stderr.split())
    assert path.read_text(encoding="utf-8") == "epochs = 40\n"


def test_a_file_that_can_not_be_written_is_refused_before_anything_is_read():
    result = run("no-such-file.csv", "--output", "none/tuned.toml")

    assert result.exit_code == 2
    assert "none/tuned.toml can not be written" in result.stderr


def test_too_little_is_said_in_one_line(purchases):
    result = run(purchases, *SMALL, "--days", "110")

    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "--days" in result.stderr


def test_without_the_extra_it_says_what_to_install(purchases, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    result = run(purchases)

    assert result.exit_code == 2
    assert "alsobought[tune]" in result.stderr
