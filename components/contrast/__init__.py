"""Factor contrast: the contrastive loss over gene pairs."""
