"""How well a model would have done on purchases of the past."""
