"""Factor scorer: what gives a pair its score."""
