"""Known methods that score pairs from expression."""
