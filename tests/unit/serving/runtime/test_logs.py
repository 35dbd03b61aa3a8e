"""Logs: one line an event for people and machines, without secrets and without forged lines."""

import io
import json
import logging
import warnings

import pytest
import structlog

from serving.runtime.logs import set_up_logging
from serving.runtime.redaction import one_line, redacted, redacted_text


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def logged(write, *, log_format="json", log_level="info", stream=None):
    """Return the text that `write` leaves in the log."""
    stream = stream or io.StringIO()
    set_up_logging(log_format, log_level, stream)
    write()
    return stream.getvalue()


def event(**fields):
    return lambda: structlog.get_logger("shop").info("event", **fields)


def brew():
    raise ValueError("no tea\n2026-01-01 [info] all is well")


def fail():
    try:
        brew()
    except ValueError:
        structlog.get_logger("shop").exception("brewing_failed")


def test_an_event_is_one_json_object_with_time_level_event_and_fields():
    line = logged(event(partition=3, topic="purchases"))

    entry = json.loads(line)
    assert list(entry)[:3] == ["timestamp", "level", "event"]
    assert entry["timestamp"].endswith("Z")
    assert entry | {"timestamp": ""} == {
        "timestamp": "", "level": "info", "event": "event", "logger": "shop", "partition": 3, "topic": "purchases",
    }  # fmt: skip


def test_auto_is_for_people_on_a_terminal_and_json_elsewhere():
    assert logged(event(a=1), log_format="auto").startswith("{")
    assert "event" in logged(event(a=1), log_format="auto", stream=Terminal())
    assert not logged(event(a=1), log_format="auto", stream=Terminal()).startswith("{")


def test_console_lines_in_a_file_have_no_colours():
    assert "\x1b" not in logged(event(a=1), log_format="console")


def test_lines_below_the_level_are_left_out():
    def write():
        structlog.get_logger().info("small talk")
        logging.getLogger("library").info("small talk")
        structlog.get_logger().warning("worth knowing")

    assert [json.loads(line)["event"] for line in logged(write, log_level="warning").splitlines()] == ["worth knowing"]


def test_a_library_that_uses_standard_logging_is_written_alike():
    line = logged(lambda: logging.getLogger("library").warning("disk %s is full", "sda", extra={"free_bytes": 0}))

    entry = json.loads(line)
    assert (entry["level"], entry["event"], entry["logger"]) == ("warning", "disk sda is full", "library")
    assert entry["free_bytes"] == 0


def test_the_chatter_of_gensim_is_heard_only_when_debugging():
    def write():
        logging.getLogger("gensim.models.word2vec").info("EPOCH 1 PROGRESS")

    assert logged(write) == ""
    assert "EPOCH 1" in logged(write, log_level="debug")


def test_a_python_warning_becomes_a_log_line():
    def write():
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            logging.captureWarnings(capture=True)
            warnings.warn("old tea", UserWarning, stacklevel=1)

    assert "old tea" in json.loads(logged(write))["event"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_value_and_no_name_can_begin_a_line_of_its_own(log_format):
    forged = "x\n2026-01-01 [info] forged\r\x1b[2J\u2028\x85"

    text = logged(event(topic=forged, **{forged: 1}, parts=[forged]), log_format=log_format)

    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_an_exception_in_json_is_still_one_line():
    entry = json.loads(logged(fail))

    assert entry["event"] == "brewing_failed"
    assert entry["exception"].startswith("Traceback")
    assert "ValueError: no tea" in entry["exception"]


def test_the_lines_of_an_exception_for_people_are_set_in():
    first, *rest = logged(fail, log_format="console").splitlines()

    assert "brewing_failed" in first
    assert len(rest) > 3
    assert all(line.startswith("    ") for line in rest)


def test_the_locals_of_an_exception_are_not_shown():
    def write():
        password = "hunter2"  # noqa: F841
        fail()

    assert "hunter2" not in logged(write, log_format="console", stream=Terminal())


@pytest.mark.parametrize(
    "phone", ["+1234567890", "+49 (30) 901-820", "+44 20 7946 0958", "15551234567", "(555) 123-4567", "555-123-4567"]
)
def test_a_phone_number_is_masked_wherever_it_stands(phone):
    text = logged(event(note=f"call {phone}, please", nested={"list": [phone]}))

    entry = json.loads(text)
    assert entry["note"] == "call <phone>, please"
    assert entry["nested"] == {"list": ["<phone>"]}


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:9092",
        "192.168.100.200:19092",
        "v12-20261122T100000Z",
        "2026-11-22T10:00:00.123456Z",
        "123e4567-e89b-12d3-a456-426614174000",
        "took 0.1234567890123 s",
        "offset 41 is not after stored offset 41 for purchases[3]",
        "85123A",
    ],
)
def test_what_only_resembles_a_phone_number_is_left_alone(text):
    assert redacted_text(text) == text


@pytest.mark.parametrize(
    "name", ["password", "sasl.password", "phone_hash_key", "api_key", "Authorization", "client_secret", "access_token"]
)
def test_the_value_of_a_secret_is_masked_by_its_name(name):
    assert redacted(name, "hunter2") == "********"
    assert redacted("settings", {name: "hunter2"}) == {name: "********"}


@pytest.mark.parametrize(
    "text",
    [
        "sasl.password=hunter2",
        "{'sasl.password': 'hunter2', 'a': 'b'}",
        'client.secret: "hunter2 hunter2"',
        "https://shop:hunter2@registry.example/x",
        "https://shop:a/hunter2@b@registry.example/x",
        'sasl.jaas.config=x.PlainLoginModule required username="shop" password="hunter2";',
    ],
)
def test_a_secret_inside_a_text_is_masked(text):
    assert "hunter2" not in redacted_text(text)
    assert "********" in redacted_text(text)


def test_a_phone_in_a_field_named_after_it_is_masked_even_as_a_number():
    assert redacted("phone", 491234) == "<phone>"


def test_numbers_are_never_touched():
    assert redacted("offset", 15551234567) == 15551234567


def test_an_escaped_text_is_readable_and_plain_text_is_unchanged():
    assert one_line("tea\tpot\n") == "tea\\tpot\\n"
    assert one_line("Käse \u2603") == "Käse \u2603"
