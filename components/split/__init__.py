"""Factor split: the exam, which pairs train, validate and test."""
