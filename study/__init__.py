"""Runs a study: plan, lanes, pool, training of one cell, ledger, MLflow, command line."""
