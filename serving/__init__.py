"""From requests to replies: the live model, HTTP, the client and the command line."""
