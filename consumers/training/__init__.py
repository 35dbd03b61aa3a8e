"""When a model is learnt, and the process that learns it."""
