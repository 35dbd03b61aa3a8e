"""What an operator does to the data now and then: rebuild, account for what was forgotten."""
