"""Topics whose records the broker compresses anew, in a form that not every client reads.

In: topic names and an admin client. Out: the compression of each such topic. Promise: a question that the broker does
not answer, for want of rights or because it is the embedded one, counts as no news.
"""

from collections.abc import Sequence

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own names, imported there without __all__
    AdminClient,
    ConfigResource,
    ResourceType,
)

log = structlog.get_logger(__name__)
_SETTING = "compression.type"
_EVERYBODY_READS = ("producer", "uncompressed", "gzip")
_TIMEOUT_S = 5.0


def hard_to_read(admin: AdminClient, topics: Sequence[str]) -> dict[str, str]:
    """Topic -> codec, of those that the broker keeps in another form than every client reads."""
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    found = {}
    for resource, answer in admin.describe_configs(resources, request_timeout=_TIMEOUT_S).items():
        try:
            codec = str(answer.result()[_SETTING].value)
        except (KafkaException, KeyError):
            continue
        if codec not in _EVERYBODY_READS:
            found[resource.name] = codec
    return found


def warn_of_hard_to_read(admin: AdminClient, topics: Sequence[str]) -> None:
    """Say each such topic, with the command that mends it."""
    for topic, codec in hard_to_read(admin, topics).items():
        log.warning(
            "topic_not_read_by_all",
            topic=topic,
            compression=codec,
            unreadable_for="kafkajs and NestJS, unless they bring a codec for it",
            remedy=f"kafka-configs.sh --alter --topic {topic} --add-config {_SETTING}=producer",
        )
