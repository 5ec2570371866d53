"""One cell in one process: values in, value out."""
