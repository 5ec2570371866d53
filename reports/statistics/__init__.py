"""What is computed over the blocks of a study: one function per statistic."""
