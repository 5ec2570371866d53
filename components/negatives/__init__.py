"""Factor negatives: draws the training negatives."""
