"""What a study will cost: known from finished cells, else from a few timed batches."""
