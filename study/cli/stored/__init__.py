"""The commands on what is stored: status, report, compare, track."""
