"""Which version answers: announced, pinned, rolled back."""
