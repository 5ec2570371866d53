"""What the factors of plug-ins change: the expression that a trained arm is shown, and its scores."""

from __future__ import annotations

import numpy as np

from components.core import registry
from components.core.dataset import Floats, Ints
from components.core.errors import KnockoutError
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.streams import Streams
from search_spaces.arm import Arm


def acting_on(arm: Arm, what: str) -> list[str]:
    """Return the factors of plug-ins that act in an arm on ``expression`` or on ``scores``, sorted."""
    return [name for name, _ in arm.acting() if registry.FACTORS[name].acts == what]


def transformed(arm: Arm, expression: Floats, streams: Streams, part: str = "") -> Floats:
    """Return the expression ``[genes, cells]`` as the arm's steps leave it.

    Raises
    ------
    KnockoutError
        If a step returns another shape, or values that are not finite.
    """
    for name in acting_on(arm, "expression"):
        rng = streams.numpy("noise", f"{name}/{part}")
        changed = np.asarray(arm.choices[name].build().transform(expression.copy(), rng), dtype=np.float32)
        _check(changed, expression.shape, f"{name}={arm.choices[name].level}", "expression [genes, cells]")
        expression = changed
    return expression


def adjusted(arm: Arm, scores: Scores, pairs: Ints, training: TrainingPairs) -> Scores:
    """Return the scores ``[pairs]`` as the arm's steps leave them.

    Raises
    ------
    KnockoutError
        If a step returns another number of scores, or some that are not finite.
    """
    for name in acting_on(arm, "scores") if np.isfinite(scores).all() else ():  # a cell that diverged says so
        changed = np.asarray(arm.choices[name].build().adjust(scores.copy(), pairs.copy(), training), dtype=np.float64)
        _check(changed, scores.shape, f"{name}={arm.choices[name].level}", "scores [pairs]")
        scores = changed
    return scores


def _check(values: np.ndarray, shape: tuple[int, ...], step: str, what: str) -> None:
    if values.shape != shape:
        raise KnockoutError(
            f"{step} returns {what} of the shape that it is given, {list(shape)}: {list(values.shape)}."
        )
    if not np.isfinite(values).all():
        raise KnockoutError(f"{step} returned {what} with values that are not finite.")
