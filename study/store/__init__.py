"""Reads and writes an output folder and the MLflow store."""
