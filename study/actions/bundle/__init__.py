"""A study as one archive for a reviewer: packed, and checked from what lies in it."""
