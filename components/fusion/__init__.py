"""Factor fusion: joins pair encoding and graph embeddings."""
