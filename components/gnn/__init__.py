"""Factor gnn: reads gene features over the graph of training positives."""
