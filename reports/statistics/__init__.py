"""What is computed over the blocks: one function per statistic."""
