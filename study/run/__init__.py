"""Sends cells to workers: the engine, the pool, lanes and clusters."""
