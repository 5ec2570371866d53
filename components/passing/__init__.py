"""Message passing over a graph that is sorted once: what is hidden of it is a mask, and no shape depends on data."""
