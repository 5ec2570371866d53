"""What a study stored beside its table, read only where the report asks for it."""
