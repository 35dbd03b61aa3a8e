"""Every customer's sequence in one SQLite file: one writer, readers in other processes."""
