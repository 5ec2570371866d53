"""What each factor contributes, and what scores vary by."""
