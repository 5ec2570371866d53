"""A metric of one's own."""

import numpy as np

from components.core.metrics import Words, register_metric

MEANING = "Share of true edges among the 100 pairs with the highest scores; guessing gives the share of positives."


@register_metric("example_hits", Words("hits at 100", MEANING, lowest=0.0, highest=1.0, margin=0.02, same_scale=False))
def hits_at_100(scores, labels, pairs):
    """Return the share of edges among the 100 best pairs; of those that tie for a place, the first listed."""
    best = np.argsort(-scores, kind="stable")[:100]
    return float(labels[best].mean())
