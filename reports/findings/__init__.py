"""What a study found, and what it must not claim."""
