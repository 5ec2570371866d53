"""The space of a search: which levels and settings vary, and over which ranges."""
