"""Files that other programs read and write: exams, and the scores that come back."""
