"""Figures of scores, differences, costs and factors, one kind per file."""
