"""Requests that come as Kafka records, and where their replies go."""
