"""The Kafka loop, what each topic's records do, the trainer process and the dead letters."""
