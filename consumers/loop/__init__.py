"""The worker's loop: read, store, answer, commit."""
