"""What a report says of a search, and of tuned arms."""
