"""Makes a data set from a lab's own files."""
