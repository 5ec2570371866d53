"""What each section of the page, and its table files, show."""
