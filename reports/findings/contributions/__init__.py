"""What each part contributes, what scores vary by, and where the order of arms flips."""
