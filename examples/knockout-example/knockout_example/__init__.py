"""Parts of one's own for knockout: importing this package registers them."""

from knockout_example import factorisation, focal, hits, simplified  # noqa: F401
