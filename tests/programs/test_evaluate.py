"""`alsobought evaluate` on a file: tables, JSON and a page, and what it says when there is too little."""

import json

import pytest
from click.testing import CliRunner

from consumers.file_import.file_histories import numbered
from consumers.file_import.purchase_files import open_purchases
from serving.cli.main import alsobought
from tests.builders.shop_histories import shop_histories, write_csv

SMALL = ["--days", "20", "--windows", "1", "--validation", "1", "--seeds", "1", "--vector-size", "16", "--epochs", "5"]


@pytest.fixture(scope="module")
def purchases(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("shop") / "purchases.csv", *shop_histories(customers=120))


def run(*arguments):
    return CliRunner().invoke(alsobought, ["evaluate", *map(str, arguments)])


def test_a_file_becomes_the_histories_it_holds(purchases):
    with open_purchases(purchases, latest_ms=10**14) as opened:
        found = numbered(opened)

    assert len(found.histories.customers) == 120
    assert len(found.histories.products) == len(shop_histories(customers=120)[0].products)
    assert len(found.keys) == 61


def test_json_holds_a_row_for_each_model_with_its_interval(purchases):
    result = run(purchases, *SMALL, "--no-peers", "--json")

    rows = json.loads(result.stdout)["windows"][0]["rows"]
    assert rows[0]["model"] == "alsobought"
    assert rows[0]["ndcg_interval"]["low"] < rows[0]["ndcg"] < rows[0]["ndcg_interval"]["high"]


def test_a_page_holds_the_table_and_its_plots(purchases, tmp_path):
    page = tmp_path / "page.html"
    result = run(purchases, *SMALL, "--no-peers", "--html", page)

    assert result.exit_code == 0
    assert "alsobought without votes" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_a_replay_prints_each_schedule(purchases):
    result = run(purchases, *SMALL, "--replay", "--slices", "2")

    assert "shipped schedule" in result.stdout


def test_too_little_is_said_in_one_line_with_exit_code_one(purchases):
    result = run(purchases, *SMALL, "--no-peers", "--days", "118")

    assert result.exit_code == 1
    assert "fewer --days" in result.stderr


def test_a_part_that_does_not_exist_is_refused(purchases):
    result = run(purchases, *SMALL, "--parts", "magic")

    assert result.exit_code == 2
    assert "neighbours, votes" in result.stderr


def test_an_empty_data_folder_is_said_to_be_empty(tmp_path):
    assert run("--data-dir", tmp_path, "--no-peers").exit_code == 1
