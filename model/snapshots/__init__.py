"""A version of the model on disk: written, checked, opened."""
