"""Statistics of several factors at once."""
