"""Reads any table of results into canonical rows, arms and independent blocks."""
