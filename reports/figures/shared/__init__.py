"""What all figures share: colours, names, panels, file formats."""
