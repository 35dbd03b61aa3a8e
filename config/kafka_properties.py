"""librdkafka client properties that pass through the settings untouched, and those that must not.

In: a TOML table (dotted keys may have become nested tables), JSON text from the environment, or a mapping from flags.
Out: property name to librdkafka text. A property that the service depends on is refused by name, with the reason.
"""

import json
import re
from collections.abc import Mapping

MASK = "********"
_SECRET_WORDS = ("password", "secret", "passphrase", "oauthbearer.config", "jaas.config")
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)\S+@")
_HARMLESS = re.compile(
    r"""(?x)
    security\.protocol | acks | retries | debug | log_level | https\.ca\.location
    | sasl\.(mechanisms? | username | kerberos\.(service\.name | principal)
             | oauthbearer\.(method | scope | token\.endpoint\.url))
    | ssl\.((ca | certificate | key | keystore | crl)\.location | ca\.certificate\.stores | cipher\.suites
            | curves\.list | sigalgs\.list | engine\.id | providers | endpoint\.identification\.algorithm)
    | (allow | api | batch | broker | check | client | compression | connections | coordinator | delivery | enable
       | fetch | group | heartbeat | internal | isolation | linger | log | max | message | metadata | partition | queue
       | queued | queuing | receive | reconnect | request | resolve | retry | session | socket | statistics | sticky
       | test | topic)\..+
    """
)

_IN_A_SETTING = "it has a setting of its own: {}"
_OFFSETS = "the offset in SQLite is the truth, and it is committed to Kafka only after the purchases are stored"
_RANGE = "only the range assignor gives a worker the same partitions of purchases and of requests"
_CALLBACK = "it takes a function, not a text"

_OWNED = {
    "bootstrap.servers": _IN_A_SETTING.format("bootstrap_servers"),
    "metadata.broker.list": _IN_A_SETTING.format("bootstrap_servers"),
    "group.id": _IN_A_SETTING.format("group_id"),
    "group.instance.id": _IN_A_SETTING.format("group_instance_id"),
    "group.protocol": _IN_A_SETTING.format("group_protocol"),
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "auto.commit.interval.ms": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "auto.offset.reset": "a silent reset would hide lost history; the service decides and says what it does",
    "partition.assignment.strategy": _RANGE,
    "group.remote.assignor": _RANGE,
    "client.rack": "a rack makes the range assignor part purchases from requests",
    "partitioner": "a customer's requests must fall on the partition of the purchases: always murmur2_random",
    "transactional.id": "the service writes no transactions",
    "logger": _CALLBACK,
    "on_commit": _CALLBACK,
    "on_delivery": _CALLBACK,
}


def parse_properties(given: object) -> dict[str, str]:
    """Return property name to text, ready for librdkafka.

    `given` is a mapping (nested tables are joined with dots; bool and numbers become librdkafka's text) or JSON text of
    one. Raises ValueError with a sentence for anything else, and for a property that belongs to the service.
    """
    if isinstance(given, str):
        given = _from_json(given)
    if not isinstance(given, Mapping):
        raise ValueError("it must be a table of property names and values")  # noqa: TRY004 - pydantic catches no other
    properties = {}
    for name, value in _flat(given):
        _refuse_owned(name)
        properties[name] = _as_text(name, value)
    return properties


def is_secret_property(name: str) -> bool:
    """Whether this is the name of a secret (passwords, client secrets, keys in PEM text)."""
    return name.endswith(".pem") or any(word in name for word in _SECRET_WORDS)


def shown_property(name: str, value: object) -> str:
    """Return the value as it may be shown, asterisks where it may not.

    Shown is only what is known to be harmless: a name that is mistyped, or Java's, may stand for a secret.
    """
    if is_secret_property(name) or not _HARMLESS.fullmatch(name):
        return MASK
    return _CREDENTIALS_IN_URL.sub(f"{MASK}@", str(value))


def mask_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the same properties, each value as it may be shown."""
    return {name: shown_property(name, value) for name, value in properties.items()}


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError('it must be JSON such as {"security.protocol": "SASL_SSL"}') from None


def _flat(table: Mapping[object, object], prefix: str = "") -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        pairs += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return pairs


def _refuse_owned(name: str) -> None:
    reason = _OWNED.get(name) or (_CALLBACK if name.endswith("_cb") else None)
    if reason:
        raise ValueError(f"{name} cannot be passed through: {reason}")


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"{name} must be a text, a number, true or false")
