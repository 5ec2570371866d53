"""What was asked, as values: cells, records, and every path of an output folder."""
