"""The wire forms of requests and replies, the same over every transport."""
