"""What metrics, statistics and numbers are called, and how they are written."""
