"""Sections of the page on what scores owe to other than expression."""
