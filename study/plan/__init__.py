"""What a study would run: its cells, their cost, arms that behave alike, how far it is."""
