"""Reads, checks, simulates and matches data sets."""
