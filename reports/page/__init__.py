"""How findings are worded and laid out: page, tables, sentences."""
