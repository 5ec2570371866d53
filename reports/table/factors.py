"""Which level of which factor every arm has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from reports.table.blocks import ordered_arms

# the columns of a study's table that say how an arm is made
FACTORS = [
    "scorer",
    "bucketing",
    "gnn",
    "pair_encoder",
    "pair_features",
    "fusion",
    "contrast",
    "negatives",
    "optimizer",
]


def learn_factors(names: Iterable[str]) -> None:
    """Take over the factors of plug-ins that a study's table names."""
    FACTORS.extend(name for name in names if name not in FACTORS)


def arm_levels(frame: pd.DataFrame) -> pd.DataFrame:
    """Lay out the factors that vary among the reference and knocked-out arms, ``[arm, factor]``.

    A setting that was crossed, ``gnn.gat.heads``, is called by as much of its name as tells it apart: ``heads``.
    """
    own = frame[frame["role"].isin(["reference", "arm"])].drop_duplicates("arm")
    own = own.set_index("arm")[[c for c in FACTORS if c in frame]].astype(str)
    own = own.reindex([arm for arm in ordered_arms(frame) if arm in own.index])
    varied = own[[c for c in own if len(own[c].unique()) > 1]]
    return varied.set_axis(short_names(list(map(str, varied))), axis=1)


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last parts of dotted names, as many as tell each from all others."""
    parts = [name.split(".") for name in names]
    for n in range(1, max(map(len, parts), default=1)):
        short = [".".join(part[-n:]) for part in parts]
        if len(set(short)) == len(short):
            return short
    return list(names)
