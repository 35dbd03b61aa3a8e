"""Settings: every value an operator can change, and the only reader of the environment."""
