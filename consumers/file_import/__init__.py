"""Purchases and products out of files, sent to their topics."""
