"""Figures, one module per kind of plot; each returns the figure with the numbers it shows."""
