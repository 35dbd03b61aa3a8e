"""What Prometheus scrapes: metrics, labels, vital signs."""
