"""The tables of a report as CSV and LaTeX."""
