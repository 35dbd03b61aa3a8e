"""`ask`, `models`, `train` and `dead-letters` as a user meets them: tables, JSON, and errors that say what to do."""

import json
import logging

import pytest
import structlog

from tests.builders.running import environment, new_broker, ran, running, send, until
from tests.builders.small_shop import CAMPING, TEA, announcement

PLAIN = {"COLUMNS": "200"}


@pytest.fixture(scope="module")
def broker():
    with new_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def service(broker, tmp_path_factory):
    """A running service whose customers ada and bob have bought; it has no model."""
    with running(broker, tmp_path_factory.mktemp("service") / "data") as service:
        send(broker, "catalog", ("tea", {"product_id": "tea", "title": "Green [tea]", "price": 4.5}))
        send(
            broker,
            "purchases",
            ("ada", {"event_id": "o-1", "profile_id": "ada", "items": [{"product_id": "tea"}, {"product_id": "cup"}]}),
            ("bob", {"event_id": "o-2", "profile_id": "bob", "items": [{"product_id": "tea"}]}),
            ("eve", b"no JSON at all"),
            ("eve", {"event_id": "o-3", "phone": "+49 12345678", "items": [{"product_id": "tea"}]}),
        )
        until(lambda: _events(service, "applied") == 2 and _events(service, "dead") == 2, service)
        yield service


def _events(service, outcome):
    return service.metrics().get(f'alsobought_events_total{{outcome="{outcome}"}}')


@pytest.fixture
def env(broker, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return environment(broker.bootstrap, tmp_path / "own") | PLAIN


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


# -- ask


def test_ask_prints_the_answer_as_a_table(service, env):
    result = ran("ask", "bob", "--k", "3", env=env)

    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines() if line.strip()]
    assert lines[0] == ["bob", "model", "none"]
    assert lines[2] == ["not", "the", "model's", "answer:", "no_model"]
    assert lines[3] == ["product", "title", "price", "score", "strategy", "because", "of"]
    assert ["cup", "0.50", "popular"] in lines
    assert "1 of 3: no more products that this customer may be shown" in result.output


def test_ask_shows_titles_and_prices_as_they_are(service, env):
    result = ran("ask", "new", "--kind", "popular", "--k", "1", env=env)

    assert "Green [tea]" in result.output
    assert "4.50" in result.output


def test_ask_prints_the_reply_as_json(service, env):
    result = ran("ask", "ada", "--json", "--with-purchased", "--only", "tea", "--exclude", "cup", "--k", "2", env=env)
    reply = json.loads(result.output)

    assert (reply["profile_id"], reply["degraded"]) == ("ada", "no_model")
    assert [item["product_id"] for item in reply["recommendations"]] == ["tea"]
    assert reply["shortfall"] == {"asked": 2, "given": 1, "why": "filters.only leaves no more"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--k", "0"), "k is 0; allowed: 1 to 100"),
        (("--kind", "best"), "kind is 'best'; allowed: recs, popular, similar, all"),
        (("--brand-id", "x" * 300), "brand_id has 300 characters"),
    ],
)
def test_what_the_service_refuses_is_told_in_its_words(service, env, arguments, said):
    result = ran("ask", "ada", *arguments, env=env)

    assert (result.exit_code, said in result.output) == (1, True), result.output
    assert result.output.startswith("Error: ")


def test_ask_says_what_to_look_at_when_nobody_answers(env):
    with new_broker() as lonely:
        result = ran("ask", "ada", "--timeout-s", "0.5", env=env | environment(lonely.bootstrap, "x"))

    assert result.exit_code == 1
    assert "no reply within 0.5 s; is the service running against this Kafka" in result.output


def test_ask_says_when_the_topics_are_not_there(service, env):
    result = ran("ask", "ada", "--replies-topic", "nobody-made-this", env=env)

    assert result.exit_code == 1
    assert "topic nobody-made-this: " in result.output
    assert "start the service first, it creates it" in result.output


def test_a_broker_that_is_not_there_is_named_with_what_to_check(env):
    result = ran("ask", "ada", "--timeout-s", "1", "--bootstrap-servers", "127.0.0.1:1", env=env)

    assert result.exit_code == 1
    assert "no answer from Kafka at 127.0.0.1:1" in result.output
    assert "check bootstrap_servers and that the broker runs" in result.output


# -- dead letters


def test_dead_letters_are_listed_with_their_reasons(service, env):
    result = ran("dead-letters", "list", env=env)

    assert result.exit_code == 0, result.output
    assert "not_json: the value is no JSON" in result.output
    assert "no_phone_hash_key: phone is given, but the setting phone_hash_key is not" in result.output
    assert result.output.splitlines()[-1].startswith("2 dead letters: ")
    assert "12345678" not in result.output


def test_dead_letters_are_listed_as_json(service, env):
    result = ran("dead-letters", "list", "--json", env=env)
    letters = [json.loads(line) for line in result.stdout.splitlines()]

    assert {(letter["topic"], letter["reason"]) for letter in letters} == {
        ("purchases", "not_json"), ("purchases", "no_phone_hash_key"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "2 dead letters would be sent back"),
        (("--reason", "not_json"), "1 dead letters would be sent back; 1 left: not chosen"),
        (("--topic", "catalog"), "0 dead letters would be sent back; 2 left: not chosen"),
    ],
)
def test_a_dry_run_sends_nothing(service, env, arguments, said):
    result = ran("dead-letters", "replay", "--dry-run", *arguments, env=env)

    assert (result.exit_code, result.output.strip()) == (0, said)


def test_replayed_letters_reach_the_service_again_and_are_told_apart_from_new_ones(service, env):
    before = _events(service, "dead")

    first = ran("dead-letters", "replay", "--reason", "not_json", env=env)
    until(lambda: _events(service, "dead") == before + 1, service)
    second = ran("dead-letters", "replay", "--reason", "not_json", "--dry-run", env=env)

    assert first.output.startswith("1 dead letters sent back")
    assert second.output.startswith("1 dead letters would be sent back")


# -- models, train


def test_models_lists_what_is_on_disk_newest_first(folder, env):
    result = ran("models", "--data-dir", str(folder), env=env)

    lines = [line.split() for line in result.output.splitlines() if line.startswith(" v")][1:]
    assert [line[0][:3] for line in lines] == ["v2-", "v1-"]
    assert [line[1] for line in lines] == ["full", "full"]


def test_models_as_json_say_everything(folder, env):
    listed = json.loads(ran("models", "--data-dir", str(folder), "--json", env=env).output)

    assert [row["vocabulary"] for row in listed] == [22, 22]
    assert listed[0]["parameters"]["vector_size"] == 32


def test_models_shows_a_damaged_version_as_such(folder, env):
    version = announcement(folder, 2).version
    (folder / "models" / version / f"recommendations_metadata_{version}.json").write_text("{")

    result = ran("models", "--data-dir", str(folder), env=env)

    assert result.exit_code == 0
    assert [line.startswith(f"{version}: ") for line in result.output.splitlines() if version in line] == [True]


def test_models_of_an_empty_folder_says_what_will_make_one(env):
    result = ran("models", env=env)

    assert "no models yet; the trainer makes one when there are enough purchases" in result.output


FEW = ("--train-min-customers", "10", "--vector-size", "8", "--gate-customers", "0")


def test_train_learns_a_model_and_says_what_it_learnt(folder, env):
    result = ran("train", "--data-dir", str(folder), *FEW, "--no-announce", env=env)

    assert result.exit_code == 0, result.output
    assert "learning: 100 %" in result.output
    said = result.output.splitlines()[-3]
    assert said.startswith("v3-")
    assert "full (the training parameters were changed), 22 products from 980 order lines of 260 customers" in said


def test_train_for_a_brand_learns_its_products_only(folder, env):
    ran("train", "--data-dir", str(folder), *FEW, "--no-announce", "--brand-id", "acme", env=env)
    listed = json.loads(ran("models", "--data-dir", str(folder), "--json", env=env).output)

    assert (listed[0]["brand_id"], listed[0]["vocabulary"]) == ("acme", 5)


def test_too_little_to_learn_from_has_an_exit_code_of_its_own(folder, env):
    result = ran("train", "--data-dir", str(folder), "--train-min-customers", "100000", env=env)

    assert result.exit_code == 3
    assert result.output.splitlines()[-1].startswith("nothing learnt: 260 customers have bought two or more products")


def test_train_without_kafka_says_so_before_it_learns(folder, env):
    before = sorted(path.name for path in (folder / "models").iterdir())

    result = ran("train", "--data-dir", str(folder), *FEW, "--bootstrap-servers", "127.0.0.1:1", env=env)

    assert result.exit_code == 1
    assert "no answer from Kafka at 127.0.0.1:1" in result.output
    assert "learning" not in result.output
    assert sorted(path.name for path in (folder / "models").iterdir()) == before


def test_train_without_purchases_says_where_it_looked(tmp_path, env):
    result = ran("train", "--data-dir", str(tmp_path / "nothing"), env=env)

    assert result.exit_code == 1
    assert "nothing/alsobought.db" in result.output


def everyday(number):
    group = (TEA, CAMPING)[number % 2]
    items = [{"product_id": group[(number // 2 + step) % 6]} for step in range(3)]
    return f"c-{number}", {"profile_id": f"c-{number}", "items": items}


def test_an_announced_model_is_taken_by_the_running_service(service, broker, env):
    applied = _events(service, "applied")
    send(broker, "purchases", *(everyday(number) for number in range(60)))
    until(lambda: _events(service, "applied") == applied + 60, service)

    result = ran("train", "--data-dir", str(service.folder), *FEW, env=env)
    until(lambda: service.metrics().get("alsobought_model_version", 0) >= 1, service)
    reply = json.loads(ran("ask", "ada", "--json", env=env).output)

    assert result.exit_code == 0, result.output
    assert (reply["degraded"], reply["model_version"]) == (None, result.output.splitlines()[-3].split(":")[0])
