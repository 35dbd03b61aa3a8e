"""What a topic keeps: which policies lose what must stay, and the command that mends each."""

import pytest

from consumers.kafka.retention import Keeping, findings
from consumers.kafka.topics import TopicNames

NAMES = TopicNames("purchases", "catalog", "requests", "replies", "models", "dead")
FOR_EVER = Keeping(frozenset({"delete"}), -1, -1)
COMPACTED = Keeping(frozenset({"compact"}), 604_800_000, -1)


def found(topic, keeping, at_risk="auto"):
    return findings(NAMES, {topic: keeping}, "kafka:9092", at_risk)


def test_what_is_kept_for_ever_or_by_last_value_where_that_is_right_is_no_finding():
    assert found("purchases", FOR_EVER) == []
    assert found("catalog", COMPACTED) == found("models", COMPACTED) == []
    assert found("requests", Keeping(frozenset({"delete"}), 3_600_000, -1)) == []


@pytest.mark.parametrize(
    ("keeping", "at_risk", "refused"),
    [
        (COMPACTED, "auto", True),
        (Keeping(frozenset({"compact", "delete"}), -1, -1), "auto", True),
        (COMPACTED, "refuse", True),
        (COMPACTED, "warn", False),
        (Keeping(frozenset({"delete"}), 604_800_000, -1), "auto", False),
        (Keeping(frozenset({"delete"}), -1, 1_000_000), "auto", False),
        (Keeping(frozenset({"delete"}), 0, -1), "refuse", True),
        (Keeping(frozenset({"delete"}), -1, 0), "warn", False),
    ],
)
def test_purchases_that_will_be_lost_are_refused_or_warned_of_as_the_setting_says(keeping, at_risk, refused):
    (finding,) = found("purchases", keeping, at_risk)

    assert finding.refused is refused
    assert finding.mend == (
        "kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name purchases "
        "--add-config 'cleanup.policy=delete,retention.ms=-1,retention.bytes=-1'"
    )


def test_a_retention_is_named_with_its_setting_and_in_days():
    (finding,) = found("purchases", Keeping(frozenset({"delete"}), 604_800_000, 1024))

    assert "after 7 days (retention.ms = 604800000) or 1024 bytes a partition (retention.bytes)" in finding.what


@pytest.mark.parametrize(
    ("topic", "keeping"),
    [
        ("catalog", Keeping(frozenset({"delete"}), 604_800_000, -1)),
        ("models", Keeping(frozenset({"compact", "delete"}), 604_800_000, -1)),
        ("requests", COMPACTED),
        ("replies", COMPACTED),
        ("dead", COMPACTED),
    ],
)
def test_the_other_topics_are_warned_of_and_never_keep_it_from_starting(topic, keeping):
    (finding,) = found(topic, keeping, "refuse")

    assert not finding.refused
    assert f"topic {topic}" in finding.what
