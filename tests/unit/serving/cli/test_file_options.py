"""`import`, `evaluate` and `tune` read files by the same options."""

import json

import click
import pytest
from click.testing import CliRunner

from serving.cli.file_options import file_options
from serving.cli.main import COMMANDS, alsobought
from tests.builders.shop_histories import shop_histories, write_csv

READERS = ("import", "evaluate", "tune")
SMALL = ["--days", "20", "--windows", "1", "--validation", "1", "--seeds", "1", "--vector-size", "16", "--epochs", "5"]


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("name", READERS)
def test_every_command_that_reads_files_has_the_same_options(name):
    shared = options_of(click.command()(file_options(lambda: None)))

    assert name in COMMANDS
    assert shared <= options_of(alsobought.get_command(click.Context(alsobought), name))


@pytest.mark.slow("learns a comparison")
def test_evaluate_reads_what_import_reads(tmp_path):
    path = write_csv(tmp_path / "purchases.csv", *shop_histories(customers=120))
    text = path.read_text().replace("customer_id,order_id,product_id,ts", "Kunde,order_id,Ware,ts").replace(",", ";")
    path.write_bytes(f"made by hand\n{text}".encode("utf-16"))
    options = ["--customer-column", "Kunde", "--product-column", "Ware", "--skip-lines", "1"]

    result = CliRunner().invoke(alsobought, ["evaluate", str(path), *options, *SMALL, "--no-peers", "--json"])

    assert json.loads(result.stdout)["windows"][0]["rows"][0]["model"] == "alsobought"


@pytest.mark.slow("learns a comparison")
def test_evaluate_says_what_was_left_out(tmp_path):
    path = write_csv(tmp_path / "purchases.csv", *shop_histories(customers=120))
    path.write_text(path.read_text() + "\n,o,tea,2026-01-02\n")

    result = CliRunner().invoke(alsobought, ["evaluate", str(path), *SMALL, "--no-peers", "--json"])

    assert "1 rows cannot be used and are left out: 1 x no customer" in result.stderr


@pytest.mark.parametrize("command", ["evaluate", "tune"])
def test_missing_columns_are_named_by_all_commands_alike(tmp_path, command):
    path = tmp_path / "orders.csv"
    path.write_text("Kunde,Ware,ts\n")

    result = CliRunner().invoke(alsobought, [command, str(path), *(["--no-peers"] if command == "evaluate" else [])])

    assert "Did you mean: --customer-column Kunde" in result.output


def test_what_cells_mean_is_said_to_evaluate_by_the_same_options(tmp_path):
    path = write_csv(tmp_path / "purchases.csv", *shop_histories(customers=120))
    header, *lines = path.read_text().splitlines()
    text = "\n".join([f"{header},status", *(f"{line},paid" for line in lines), "eve,x,tea,2026-01-02,void", ""])
    path.write_text(text)

    result = CliRunner().invoke(
        alsobought, ["evaluate", str(path), *SMALL, "--where", "status=paid", "--no-peers", "--json"]
    )

    assert json.loads(result.stdout)["windows"][0]["rows"][0]["model"] == "alsobought"
    assert "1 x left out by --where status=paid" in result.stderr
