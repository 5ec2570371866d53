"""What a preset is: a reference arm ready to name in a study file, with its training budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.core.budget import Budget
from search_spaces.arm import Arm, arm_factors, parse_choice


@dataclass(frozen=True)
class Preset:
    """A full model with its budget.

    Attributes
    ----------
    meaning
        One line for ``knockout components``.
    reference
        Factor to choice, as a user would write it.
    budget
        Training budget.
    """

    meaning: str
    reference: Mapping[str, Any]
    budget: Budget

    def arm(self, name: str, changes: Mapping[str, Any] | None = None, *, where: str = "reference") -> Arm:
        """Return the reference arm, with a user's changes laid over the preset's choices."""
        base = {factor: parse_choice(factor, self.reference[factor]) for factor in arm_factors()}
        given = {
            factor: parse_choice(factor, value, beside=base.get(factor), where=f"{where}.{factor}")
            for factor, value in (changes or {}).items()
        }
        return Arm(name, {**base, **given}, role="reference")
