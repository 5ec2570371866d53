"""Statistics of two arms over independent blocks."""
