"""Settings: their sources, their ranges, and what an operator reads when one is wrong."""

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.descriptions import allowed_values
from config.errors import ConfigError
from config.kafka_properties import mask_properties, parse_properties
from config.loading import load_settings, shown_settings
from config.settings import SECTIONS, Settings, matches_topic


@pytest.fixture(autouse=True)
def _bare_surroundings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALSOBOUGHT_CONFIG", raising=False)


def refusal(**flags):
    with pytest.raises(ConfigError) as caught:
        load_settings(flags)
    return str(caught.value)


def shown(name, **flags):
    return next(setting for setting in shown_settings(flags) if setting.name == name)


def test_a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default(monkeypatch):
    Path("alsobought.toml").write_text("window = 2\nepochs = 2\nnegative = 2\n")
    monkeypatch.setenv("ALSOBOUGHT_EPOCHS", "3")
    monkeypatch.setenv("ALSOBOUGHT_NEGATIVE", "3")

    settings = load_settings({"negative": 4, "seed": None})

    assert (settings.seed, settings.window, settings.epochs, settings.negative) == (1, 2, 3, 4)


def test_each_setting_is_shown_with_its_source(monkeypatch):
    Path("alsobought.toml").write_text("window = 2\n")
    monkeypatch.setenv("ALSOBOUGHT_EPOCHS", "3")

    sources = {setting.name: setting.source for setting in shown_settings({"http_port": 0})}

    assert sources["window"] == "file alsobought.toml"
    assert sources["epochs"] == "environment ALSOBOUGHT_EPOCHS"
    assert sources["http_port"] == "--http-port"
    assert sources["seed"] == "default"


def test_a_settings_object_depends_on_its_caller_alone(monkeypatch):
    Path("alsobought.toml").write_text("window = 2\n")
    monkeypatch.setenv("ALSOBOUGHT_WINDOW", "3")

    assert Settings().window == 30


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().window = 3


def test_settings_reach_another_process_unchanged():
    settings = Settings(phone_hash_key="0123456789abcdef", kafka_properties={"debug": "msg"}, data_dir="elsewhere")

    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_has_a_section_a_sentence_and_words_for_what_it_allows(field):
    sections = [section for section in SECTIONS if field in section.model_fields]
    description = Settings.model_fields[field].description or ""

    assert len(sections) == 1
    assert description.endswith(".")
    assert allowed_values(field)


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_setting():
    Path("alsobought.toml").write_text('bootstrap_server = "kafka:9092"\n')

    assert refusal() == "bootstrap_server in alsobought.toml is not a setting; the nearest is bootstrap_servers"


def test_a_misspelt_environment_variable_is_refused_with_the_nearest_setting(monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_BOOTSTRAP_SERVER", "kafka:9092")

    assert refusal().endswith("is not a setting; the nearest is ALSOBOUGHT_BOOTSTRAP_SERVERS")


def test_variables_that_kubernetes_adds_for_a_service_of_our_name_are_no_mistake(monkeypatch):
    for name, value in {"PORT": "tcp://10.0.0.1:8000", "SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "8000"}.items():
        monkeypatch.setenv(f"ALSOBOUGHT_{name}", value)

    assert load_settings().http_port == 8000


def test_an_empty_environment_variable_counts_as_not_given(monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_GROUP_INSTANCE_ID", "")

    assert load_settings().group_instance_id is None


def test_a_named_file_wins_over_the_file_that_the_environment_names(monkeypatch, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(f'group_id = "{name}"\n')
    monkeypatch.setenv("ALSOBOUGHT_CONFIG", str(tmp_path / "a.toml"))

    assert load_settings().group_id == "a"
    assert load_settings(config_file=tmp_path / "b.toml").group_id == "b"


def test_a_named_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.toml cannot be read \(No such file or directory\): name another"):
        load_settings(config_file=tmp_path / "missing.toml")


def test_a_file_that_is_not_toml_is_refused_with_the_place():
    Path("alsobought.toml").write_text("window = \n")

    assert "alsobought.toml is not TOML" in refusal()
    assert "line 1" in refusal()


def test_a_wrong_value_is_refused_with_name_value_source_and_what_is_allowed(monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_HTTP_PORT", "eighty")

    expected = "http_port = 'eighty' (environment ALSOBOUGHT_HTTP_PORT): it must be a whole number from 0 to 65535"
    assert expected in refusal()


def test_all_wrong_settings_are_named_at_once():
    text = refusal(role="cook", alpha=0.0, replication_factor=0)

    assert text.startswith("3 settings are wrong:\n")
    assert "role = 'cook' (--role): it must be both, worker or trainer" in text
    assert "alpha = 0.0 (--alpha): it must be a number above 0 and up to 1" in text
    assert "replication_factor = 0 (--replication-factor): a topic needs at least one replica; it must be -1" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value):
    assert "it must be a number from 0 to 100" in refusal(scale=value)


def test_true_is_no_number():
    Path("alsobought.toml").write_text("http_port = true\n")

    assert "http_port = True (file alsobought.toml): true and false are no numbers; it must be a whole" in refusal()


@pytest.mark.parametrize("name", ["", "a b", "päckchen", "..", "x" * 250])
def test_a_name_that_kafka_would_refuse_is_refused_at_once(name):
    assert "Kafka does not take this name; it must be a topic name" in refusal(purchases_topic=name)


def test_two_topics_with_one_name_are_refused():
    assert "purchases_topic and catalog_topic are both 'shop'" in refusal(purchases_topic="shop", catalog_topic="shop")


@pytest.mark.parametrize("servers", ["", "kafka:", "kafka:0", "kafka:65536", "a:9092,,b:9092", "kafka 9092"])
def test_an_address_that_is_no_address_is_refused(servers):
    assert "is not host:port" in refusal(bootstrap_servers=servers)


@pytest.mark.parametrize("servers", ["kafka", "a:9092, b:9093", "[::1]:9092", "SASL_SSL://kafka.example:9092"])
def test_the_addresses_that_librdkafka_takes_are_taken(servers):
    assert load_settings({"bootstrap_servers": servers}).bootstrap_servers == servers


def test_the_default_of_k_cannot_exceed_the_most():
    assert "default_k = 10 is more than max_k = 5: lower one or raise the other" in refusal(max_k=5)


def test_replies_go_to_the_replies_topic_unless_others_are_allowed():
    assert Settings(replies_topic="answers").allowed_reply_topics == ("answers",)
    assert Settings(reply_topics="web-*, app").allowed_reply_topics == ("web-*", "app")


@pytest.mark.parametrize("pattern", ["*", "a*b", "a b"])
def test_a_reply_topic_pattern_needs_a_beginning_and_one_star_at_its_end(pattern):
    assert "neither a topic name nor the beginning of one" in refusal(reply_topics=pattern)


def test_replies_are_never_allowed_into_a_topic_that_the_service_reads():
    text = refusal(reply_topics=["recommendation-*"])

    assert "reply_topics allows 'recommendation-*', which takes in requests_topic = 'recommendation-requests'" in text


def test_a_pattern_stands_for_every_topic_that_begins_like_it():
    assert matches_topic("web-*", "web-replies")
    assert not matches_topic("web-*", "app-replies")
    assert not matches_topic("web", "web-replies")


def test_models_live_in_the_data_folder_unless_they_have_their_own():
    assert Settings(data_dir="d").models_folder == Path("d/models")
    assert Settings(data_dir="d", models_dir="m").models_folder == Path("m")


def test_client_properties_of_a_toml_table_become_librdkafka_text():
    Path("alsobought.toml").write_text(
        '[kafka_properties]\nsecurity.protocol = "SASL_SSL"\n"linger.ms" = 5\nsocket.keepalive.enable = true\n'
    )

    expected = {"security.protocol": "SASL_SSL", "linger.ms": "5", "socket.keepalive.enable": "true"}
    assert load_settings().kafka_properties == expected


def test_client_properties_are_merged_one_by_one(monkeypatch):
    Path("alsobought.toml").write_text('[kafka_properties]\n"sasl.username" = "shop"\n"linger.ms" = 5\n')
    monkeypatch.setenv("ALSOBOUGHT_KAFKA_PROPERTIES", '{"sasl.password": "hunter2"}')

    settings = load_settings({"kafka_properties": {"linger.ms": "7"}})

    assert settings.kafka_properties == {"sasl.username": "shop", "sasl.password": "hunter2", "linger.ms": "7"}
    assert shown("kafka_properties.sasl.password").source == "environment ALSOBOUGHT_KAFKA_PROPERTIES"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("enable.auto.commit", "the offset in SQLite is the truth"),
        ("group.id", "it has a setting of its own: group_id"),
        ("auto.offset.reset", "a silent reset would hide lost history"),
        ("partition.assignment.strategy", "only the range assignor"),
        ("error_cb", "it takes a function"),
    ],
)
def test_a_client_property_that_the_service_owns_is_refused_with_the_reason(name, reason):
    text = refusal(kafka_properties={name: "x"})

    assert f"{name} cannot be passed through: {reason}" in text


@pytest.mark.parametrize("given", ["{", "[1]", 5, {"a": [1]}, {"a": None}])
def test_client_properties_of_another_shape_are_refused(given):
    with pytest.raises(ValueError, match="must be"):
        parse_properties(given)


@pytest.mark.parametrize(
    "name",
    ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret", "ssl.certificate.pem"],
)
def test_secret_client_properties_are_masked(name):
    assert mask_properties({name: "hunter2", "client.id": "c"}) == {name: "********", "client.id": "c"}
    assert shown(f"kafka_properties.{name}", kafka_properties={name: "hunter2"}).value == "********"


@pytest.mark.parametrize(
    "name",
    ["sasl.jaas.config", "sasl.pasword", "sasl.passwd", "ssl.key.pasphrase", "sals.pass", "pw", "ssl.truststore.pass"],
)
def test_a_property_that_is_javas_or_mistyped_is_masked_since_it_may_be_a_secret(name):
    assert mask_properties({name: "hunter2"}) == {name: "********"}
    assert shown(f"kafka_properties.{name}", kafka_properties={name: "hunter2"}).value == "********"
    assert "hunter2" not in refusal(kafka_properties={name: "hunter2", "group.id": "x"}, http_port=-1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "shop"),
        ("ssl.ca.location", "/etc/ca.pem"),
        ("linger.ms", "5"),
        ("socket.keepalive.enable", "true"),
        ("debug", "broker"),
    ],
)
def test_what_an_operator_looks_for_is_shown(name, value):
    assert shown(f"kafka_properties.{name}", kafka_properties={name: value}).value == value


@pytest.mark.parametrize("userinfo", ["shop:hunter2", "hunter2", "shop:hun/ter2", "shop:hunter2@x"])
def test_credentials_in_an_address_are_masked(userinfo):
    name = "sasl.oauthbearer.token.endpoint.url"
    url = f"https://{userinfo}@sso.example/token"

    assert shown(f"kafka_properties.{name}", kafka_properties={name: url}).value == "https://********@sso.example/token"


def test_no_secret_is_in_an_error_or_in_a_printed_settings_object(monkeypatch):
    properties = {"sasl.password": "hunter2", "group.id": "x"}
    monkeypatch.setenv("ALSOBOUGHT_PHONE_HASH_KEY", "hunter2")

    text = refusal(kafka_properties=properties) + refusal(kafka_properties='{"sasl.password": "hunter2"')
    settings = Settings(phone_hash_key="hunter2hunter2hunter2", kafka_properties={"sasl.password": "hunter2"})

    assert "phone_hash_key = ********" in text
    assert "hunter2" not in text + repr(settings) + str(settings)


def test_the_phone_key_is_masked_when_shown():
    assert shown("phone_hash_key", phone_hash_key="0123456789abcdef").value == "********"
    assert shown("phone_hash_key").value == ""


def test_types_of_purchases_are_a_list_of_words():
    assert Settings(purchase_types="order.created, com.shop.Sold").purchase_types == ("order.created", "com.shop.Sold")
    assert Settings(purchase_types='["*"]').purchase_types == ("*",)


@pytest.mark.parametrize("event_type", ["...", "42", "-"])
def test_a_type_without_a_word_is_refused(event_type):
    assert "has no word in it" in refusal(purchase_types=event_type)
