"""Factor bucketing: what a gene carries in."""
