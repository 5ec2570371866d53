"""Searches with Optuna: trials, proposals, tuning, confirmation."""
