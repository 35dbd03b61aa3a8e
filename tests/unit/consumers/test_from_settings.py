"""The one door from settings: each value is built with what the settings say, and nothing else of them matters."""

from config.settings import Settings, TopicSettings
from consumers.from_settings import clients_of, decoder_of, group_properties, store_of, topic_names


def test_clients_reach_the_cluster_that_is_named_with_its_properties_and_compression():
    settings = Settings(
        bootstrap_servers="kafka-1:9092", kafka_properties={"socket.timeout.ms": "500"}, compression="gzip"
    )

    clients = clients_of(settings)

    assert (clients.bootstrap_servers, clients.properties, clients.compression) == (
        "kafka-1:9092",
        {"socket.timeout.ms": "500"},
        "gzip",
    )


def test_every_topic_has_the_name_that_its_setting_gives():
    given = {name: f"my-{name}" for name in TopicSettings.model_fields if name.endswith("_topic")}

    names = topic_names(Settings(**given))

    assert sorted(plan.name for plan in names.plans(1)) == sorted(given.values())
    assert all(plan.name == given[plan.setting] for plan in names.plans(1))


def test_a_named_worker_keeps_its_name_under_both_protocols():
    classic = group_properties(Settings(group_instance_id="w-1"))
    newer = group_properties(Settings(group_instance_id="w-1", group_protocol="consumer"))

    assert classic == {"partition_assignment_strategy": "range", "group_instance_id": "w-1"}
    assert newer == {"group_protocol": "consumer", "group_remote_assignor": "range", "group_instance_id": "w-1"}


def test_the_decoder_hashes_phones_only_with_a_key():
    assert decoder_of(Settings()).phone_hash_key is None
    assert decoder_of(Settings(phone_hash_key="a-key-of-16-chars")).phone_hash_key == b"a-key-of-16-chars"


def test_the_store_is_the_file_of_the_data_folder_or_the_one_that_is_to_replace_it(tmp_path):
    settings = Settings(data_dir=tmp_path)
    store_of(settings).close()
    store_of(settings, tmp_path / "fresh.db").close()

    assert settings.database == tmp_path / "alsobought.db"  # as every version before called it
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["alsobought.db", "fresh.db"]
