"""Which client property was meant."""

import pytest

from config.kafka_property_names import meant


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("securty.protocol", "did you mean security.protocol?"),
        ("security_protocol", "did you mean security.protocol?"),
        ("SASL.Username", "did you mean sasl.username?"),
        ("sasl.jaas.config", "that is the Java client's: use sasl.username and sasl.password"),
        ("no.such.thing.at.all", ""),
    ],
)
def test_the_nearest_name_is_named(written, hint):
    assert meant(written) == hint
