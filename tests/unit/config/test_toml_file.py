"""Settings put into a file: the file stays what it was but for these settings."""

import tomllib

import pytest

from config.errors import ConfigError
from config.loading import load_settings
from config.toml_file import check_writable, put_into, read_text, write

SHOP = """\
# our shop
bootstrap_servers = "kafka-1:9092"
epochs = 25  # as shipped
reply_topics = [
  "replies",
  "shop-*",
]

[kafka_properties]
"client.id" = "shop"
# epochs = 25
"""


def test_an_empty_file_gets_the_settings_and_the_remarks():
    made = put_into("", "tune", {"epochs": 40, "subsample": 1e-05}, ["a gain"])

    assert tomllib.loads(made) == {"epochs": 40, "subsample": 1e-05}
    assert "# a gain\n" in made


def test_everything_else_in_a_file_stays_line_by_line():
    made = put_into(SHOP, "tune", {"epochs": 40}, ["a gain"])

    assert tomllib.loads(made) == {**tomllib.loads(SHOP), "epochs": 40}
    assert set(SHOP.splitlines()) - set(made.splitlines()) == {"epochs = 25  # as shipped"}


def test_a_second_time_takes_the_place_of_the_first():
    once = put_into(SHOP, "tune", {"epochs": 40, "alpha": 0.1}, ["first"])

    assert put_into(once, "tune", {"epochs": 50, "alpha": 0.2}, ["second"]) == put_into(
        SHOP, "tune", {"epochs": 50, "alpha": 0.2}, ["second"]
    )


@pytest.mark.parametrize("text", ['"epochs" = 25\n', 'group_id = """\nepochs = 25\n"""\n'])
def test_a_layout_that_can_not_be_edited_line_by_line_is_refused(text):
    with pytest.raises(ConfigError, match="laid out"):
        put_into(text, "tune", {"epochs": 40}, [])


def test_the_file_is_one_that_settings_are_read_from(tmp_path):
    path = tmp_path / "shop.toml"
    write(path, put_into(SHOP, "tune", {"epochs": 40}, []))

    settings = load_settings({}, path)
    assert (settings.epochs, settings.bootstrap_servers) == (40, "kafka-1:9092")


def test_a_file_keeps_its_permissions_and_its_link(tmp_path):
    path, link = tmp_path / "shop.toml", tmp_path / "link.toml"
    path.touch(mode=0o600)
    link.symlink_to(path)

    write(link, "epochs = 40\n")

    assert path.read_text(encoding="utf-8") == "epochs = 40\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.toml", "shop.toml"]


def test_a_folder_that_is_not_there_is_found_before_writing(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        check_writable(tmp_path / "none" / "shop.toml")


def test_looking_whether_a_file_can_be_written_leaves_nothing(tmp_path):
    check_writable(tmp_path / "shop.toml")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_toml_is_refused(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text("epochs: 25\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="not TOML"):
        read_text(path)
