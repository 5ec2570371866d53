"""What every part is built on: data sets, exams, settings, the registry, random streams, metrics."""
