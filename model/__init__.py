"""Sequences, item vectors, index, ranking and snapshots: no Kafka, no HTTP, no settings object."""
