"""What is said of a pair of genes: by the graph of training edges, and by expression."""
