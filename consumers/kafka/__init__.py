"""The Kafka client behind one face: clients, topics, records, deliveries, a broker inside the process."""
