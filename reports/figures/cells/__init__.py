"""Figures of what single cells left behind: predictions, training curves, pair vectors."""
