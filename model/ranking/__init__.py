"""Histories to ranked products with their scores and reasons."""
