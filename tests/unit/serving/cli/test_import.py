"""`alsobought import` as a user meets it: what it prints, what it sends, how it refuses."""

import json

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, TopicPartition

from consumers.kafka.embedded_broker import EmbeddedBroker
from serving.cli.main import alsobought

HEADER = "customer_id,order_id,product_id,ts,quantity,price\n"
ORDERS = HEADER + "ada,1,tea,2026-01-02,2,4.5\nada,1,jam,2026-01-02,1,3\nben,2,tea,2026-01-03,1,4.5\n"


@pytest.fixture(scope="module")
def broker():
    with EmbeddedBroker({"purchases": 2, "catalog": 1}) as broker:
        yield broker


@pytest.fixture
def write(tmp_path):
    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(alsobought, ["import", *arguments])


def count(broker, topic, partitions):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test"})
    marks = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=5) for p in range(partitions)]
    consumer.close()
    return sum(high - low for low, high in marks)


def test_a_file_is_sent_and_summed_up_in_plain_lines(broker, run, write):
    before = count(broker, "purchases", 2)

    result = run(write("orders.csv", ORDERS), "--bootstrap-servers", broker.bootstrap)

    assert result.exit_code == 0, result.output
    assert "2 orders, 3 lines, 2 customers" in result.output
    assert "bought from 2026-01-02 00:00 to 2026-01-03 00:00 UTC" in result.output
    assert "sending: 100 %" in result.output
    assert "sent 2 records to purchases" in result.output
    assert count(broker, "purchases", 2) - before == 2


def test_products_are_sent_to_the_catalogue(broker, run, write):
    path = write("products.csv", "sku,title\ntea,Green tea\n")

    result = run("--products", path, "--products-column", "product=sku", "--bootstrap-servers", broker.bootstrap)

    assert result.exit_code == 0, result.output
    assert "sent 1 records to catalog" in result.output
    assert count(broker, "catalog", 1) == 1


def test_json_goes_to_standard_output_and_everything_else_does_not(broker, run, write):
    path = write("orders.csv", ORDERS.replace("ada", "lea").replace("ben", "leo") + ",3,tea,2026-01-03,1,1\n")

    result = run(path, "--json", "--bootstrap-servers", broker.bootstrap)

    report = json.loads(result.stdout)["purchases"]
    assert (report["orders"], report["lines"], report["customers"]) == (2, 3, 2)
    assert report["left_out"] == {"no customer": 1}
    assert report["examples"][0]["row"] == 4
    assert report["sent"]["records"] == 2


def test_a_dry_run_shows_the_first_events_and_needs_no_broker(run, write):
    result = run(write("orders.csv", ORDERS), "--dry-run", "--bootstrap-servers", "127.0.0.1:1")

    assert result.exit_code == 0, result.output
    assert '"profile_id":"ada"' in result.output


def test_rows_left_out_are_counted_and_shown(run, write):
    path = write("orders.csv", ORDERS + "eve,4,tea,2026-01-03,0,1\n" * 5)

    result = run(path, "--dry-run")

    assert "5 rows cannot be used and are left out" in result.output
    assert "5 x quantity not above 0" in result.output
    assert "row 4: customer_id=eve, order_id=4, product_id=tea, ts=2026-01-03, quantity=0, price=1" in result.output


def test_columns_are_mapped_by_options(run, write):
    path = write("orders.csv", "who;what;when\n007;tea;1/2/2026\n")
    options = ["--customer-column", "who", "--product-column", "what", "--time-column", "when"]

    result = run(path, *options, "--time-format", "%m/%d/%Y", "--dry-run")

    assert '"profile_id":"007","occurred_at":"2026-01-02T00:00:00Z"' in result.output
    assert "no column order_id: one order for each customer and time" in result.output


def test_a_missing_column_ends_with_one_line_that_names_the_option(run, write):
    result = run(write("orders.csv", "CustomerID,product_id,ts\n"), "--dry-run")

    assert result.exit_code == 1
    assert "Name the right one with --customer-column" in result.output
    assert "Traceback" not in result.output


def test_a_file_with_nothing_to_send_is_an_error(run, write):
    result = run(write("orders.csv", HEADER))

    assert result.exit_code == 1
    assert "holds nothing that can be sent" in result.output


@pytest.mark.parametrize("arguments", [[], ["--products", "p.csv", "--products-column", "colour=x"]])
def test_a_wrong_call_is_a_usage_error(run, arguments):
    assert run(*arguments).exit_code == 2


def test_control_characters_of_a_file_do_not_reach_the_terminal(run, write):
    result = run(write("orders.csv", ORDERS + "eve,4,t\x1b[31mea,2026-01-03,1,1\n"), "--dry-run")

    assert "\x1b" not in result.output


def test_lines_read_and_left_out_are_together_the_lines_of_the_file(run, write):
    path = write("orders.csv", ORDERS + 'eve,4,tea,2026-01-03,"1,1\n\n,,,,,\n')

    result = run(path, "--json", "--dry-run")

    lines = json.loads(result.stdout)["purchases"]["file_lines"]
    assert lines == {"total": 7, "read": 3, "left_out": 2, "other": 2}
    assert "7 lines of the file: 3 read, 2 left out, 2 header or blank" in result.stderr


def test_standard_input_is_a_file_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(alsobought, ["import", "-", "--dry-run"], input=ORDERS)

    assert "standard input: 2 orders, 3 lines" in result.output
    assert result.exit_code == 0


def test_several_files_are_read_as_one(run, write):
    second = write("b.csv", HEADER + "eve,9,tea,2026-01-05,1,1\n")

    result = run(write("a.csv", ORDERS), second, "--dry-run")

    assert "3 orders, 4 lines, 3 customers" in result.output


def test_how_a_file_is_read_can_be_said_by_options(run, write):
    text = "made by hand\nKunde;Ware\nada;tea/cup\n;pot\n".replace("Ware", "Ware;ts").replace("cup", "cup;2026-01-02")
    options = ["--customer-column", "Kunde", "--product-column", "Ware", "--split", "/", "--skip-lines", "1"]

    result = run(write("orders.csv", text), *options, "--encoding", "windows-1252", "--delimiter", ";", "--dry-run")

    assert '"items":[{"product_id":"tea"},{"product_id":"cup"}]' in result.output


def test_an_export_that_is_guessed_is_said(run, write):
    path = write("orders.csv", "CustomerID,InvoiceNo,StockCode,InvoiceDate\n1,2,tea,2026-01-02\n")

    assert "read as an export of UCI Online Retail" in run(path, "--dry-run").output


def test_no_word_of_the_database_reaches_the_user(run, write):
    result = run(write("orders.csv", 'customer_id,product_id\n"a","b\n'), "--dry-run")

    assert result.exit_code == 1
    assert not any(word in result.output for word in ("read_csv", "DESCRIBE", "strict_mode", "Traceback"))


def test_a_cause_that_hits_nearly_all_rows_is_said_once_more_with_its_remedy(run, write):
    days = "".join(f"c{n},{n},tea,{n},1,1\n" for n in range(1, 20))

    some = run(write("orders.csv", HEADER + days + "eve,x,tea,2026-01-02,1,1\n"), "--dry-run")
    none = run(write("orders.csv", HEADER + days), "--dry-run")

    assert "nearly all rows are lost for one cause: 19 of 20: time is a small number" in some.output
    assert some.exit_code == 0
    assert "holds nothing that can be sent: 19 of 19 rows: time is a small number" in none.output
    assert "--time-format day:" in none.output
    assert none.exit_code == 1


def test_rows_that_are_not_meant_are_no_fault(run, write):
    path = write("orders.csv", "customer_id,product_id,ts,event\na,x,2026-01-02,view\na,x,2026-01-02,sale\n")

    result = run(path, "--dry-run", "--where", "event=sale")

    assert "1 rows left out by --where event=sale" in result.output
    assert "cannot be used" not in result.output


def test_prices_that_are_not_understood_are_counted_and_may_be_left_away(run, write):
    path = write("orders.csv", ORDERS + "eve,4,tea,2026-01-03,1,dear\n")

    assert (
        "1 price not understood and left away, the rows count without: 'dear' (row 4)" in run(path, "--dry-run").output
    )
    assert '"price"' not in run(path, "--dry-run", "--no-price").output


def test_products_and_orders_that_hardly_share_ids_are_said(run, write):
    orders = write("orders.csv", "customer_id,product_id,ts\na,00123,2026-01-02\nb,00124,2026-01-02\n")
    products = write("products.csv", "product_id,title\n123,Tea\n124,Cup\n")

    result = run(orders, "--products", products, "--dry-run")

    assert "only 0 of the 2 products that were ordered are in" in result.output
    assert "Without leading zeros 2 would be" in result.output


def test_orders_are_held_beside_the_catalogue_topic_too(run, write):
    with EmbeddedBroker({"purchases": 2, "catalog": 1}) as fresh:
        broker = ("--bootstrap-servers", fresh.bootstrap)
        run("--products", write("products.csv", "product_id,title\ntea,Tea\njam,Jam\n"), *broker)

        known = run(write("orders.csv", ORDERS), *broker)
        strange = run(write("orders.csv", "customer_id,product_id,ts\na,P-1,2026-01-02\n"), *broker, "--json")

    assert "products that were ordered" not in known.output
    assert "only 0 of the 1 products" in json.loads(strange.stdout)["purchases"]["remarks"][0]


def test_products_that_come_alone_are_held_beside_what_was_ordered_lately(run, write):
    with EmbeddedBroker({"purchases": 2, "catalog": 1}) as fresh:
        broker = ("--bootstrap-servers", fresh.bootstrap)
        run(write("orders.csv", "customer_id,product_id,ts\na,00123,2026-01-02\nb,00124,2026-01-02\n"), *broker)

        strange = run("--products", write("products.csv", "product_id\n123\n124\n"), *broker)
        known = run("--products", write("products.csv", "product_id\n00123\n00124\n"), *broker)

    assert "Without leading zeros 2 would be" in strange.output
    assert "products that were ordered" not in known.output


def test_a_condition_that_is_none_is_a_usage_error(run, write):
    result = run(write("orders.csv", ORDERS), "--where", "status", "--dry-run")

    assert result.exit_code == 2
    assert "COLUMN=VALUE" in result.output


def test_the_import_refuses_the_years_that_the_service_refuses(run, write):
    path = write("orders.csv", ORDERS + "eve,4,tea,1994-12-31,1,1\n")

    refused, taken = run(path, "--dry-run"), run(path, "--dry-run", "--earliest-purchase-year", "1990")

    assert "1 x time before 1995: often what stands for a missing one" in refused.output
    assert "earliest_purchase_year" in refused.output
    assert "3 orders, 4 lines" in taken.output


def test_a_price_in_another_encoding_is_said_with_the_option(run, tmp_path):
    (tmp_path / "orders.csv").write_bytes((HEADER + "ada,1,tea,2026-01-02,2,4.5 €\n").encode("windows-1252"))

    result = run("orders.csv", "--dry-run")

    assert "1 price not understood" in result.output
    assert "--encoding names another" in result.output
