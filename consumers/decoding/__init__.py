"""From the bytes of a record to a checked value, or to the reason why there is none."""
