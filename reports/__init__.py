"""Turns the tidy table of a GRN study into findings, figures, HTML and LaTeX that survive a reviewer.

The modules are imported one by one (``reports.table.table``, ``reports.findings.analysis``, ``reports.build``), so that
asking for one number, such as the smallest attainable p, does not load a plotting library.
"""
