"""Makes a data set of a lab's own files."""
