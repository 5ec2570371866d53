"""Reads and validates a study file."""
