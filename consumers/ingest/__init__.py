"""What each topic's records do to the store, and where bad ones go."""
