"""HTTP beside the loop: metrics, health, readiness, versions."""
