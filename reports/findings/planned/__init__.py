"""What a study set out to do, against what it did."""
