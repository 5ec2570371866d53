"""The stages of a training: epochs on labelled pairs, and what is fitted before any label is read."""
