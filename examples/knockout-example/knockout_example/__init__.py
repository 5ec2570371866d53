"""Parts of one's own for knockout: importing this package registers them."""

from knockout_example import factorisation, focal, gate, hits, ranks, simplified  # noqa: F401
