"""Models that come from outside: any program, and lists of edges."""
