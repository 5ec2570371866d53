"""Factor pair_encoder: encodes the two genes of a candidate pair."""
