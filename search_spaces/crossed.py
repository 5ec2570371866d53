"""Settings that a design varies as it varies factors: ``gnn.gat.heads: [1, 4]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import INACTIVE, Arm, Choice


@dataclass(frozen=True)
class CrossedSetting:
    """One value of a setting of a level; it acts in the arms that have the level.

    Attributes
    ----------
    factor, level, setting
        Whose setting it is, and its name.
    value
        The value, valid beside the other settings of the reference.
    where
        Its key path, for messages.
    """

    factor: str
    level: str
    setting: str
    value: Any
    where: str = ""

    def on(self, choice: Choice) -> Choice:
        """Return the choice with the setting at the value, or as it is where it is another level.

        Raises
        ------
        KnockoutError
            If the value is not valid beside other settings of the choice.
        """
        return choice if choice.level != self.level else choice.having({self.setting: self.value}, self.where)


def parse_crossed(name: str, values: Sequence[Any], levels: Mapping[str, Choice], where: str) -> list[CrossedSetting]:
    """Return the values of ``factor.level.setting`` that a design lists.

    Parameters
    ----------
    name
        What stands before the values.
    values
        The values as written.
    levels
        The levels of the factor that can be crossed with it, by name: those that arms of the design have.
    where
        Key path for messages.

    Raises
    ------
    KnockoutError
        If it is no such name, no arm has the level, the level has no such setting, or a value is not allowed.
    """
    factor, *rest = name.split(".")
    if len(rest) != 2:
        raise KnockoutError(f"{name!r} names no setting; write factor.level.setting, as gnn.gat.heads.", where=where)
    level, setting = rest
    if level not in levels:
        raise UnknownNameError.of(f"level of {factor} in this design", level, levels, where=where)
    if not levels[level].has(setting):
        fields = type(levels[level].settings).model_fields
        raise UnknownNameError.of(f"setting of {factor}.{level}", setting, fields, where=where)
    crossed = [CrossedSetting(factor, level, setting, value, f"{where}[{i}]") for i, value in enumerate(values)]
    for one in crossed:
        one.on(levels[level])
    return crossed


def value_in(arm: Arm, name: str) -> str:
    """Return the value that an arm has of ``factor.level.setting`` for tables, ``INACTIVE`` if it cannot act."""
    factor, level, setting = name.split(".")
    choice = arm.choices[factor]
    if factor in arm.silenced or choice.level != level:
        return INACTIVE
    return str(getattr(choice.settings, setting))
