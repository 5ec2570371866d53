"""The commands on data sets: made, fetched, checked."""
