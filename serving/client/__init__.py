"""A client of the service, for commands and the demo."""
