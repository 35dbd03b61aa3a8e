"""What is on a topic, for tests that look at what was sent."""

from consumers.kafka.topic_reader import read_topic


def records_on(clients, topic):
    """The records that are on the topic now, partition by partition; an iterator."""
    return read_topic(clients, topic, group="test", setting="the test")
