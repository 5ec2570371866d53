"""Reference arms ready to name in a study file, with the training budget that goes with each.

Numbers stand beside the sentence of the paper they are from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.budget import Budget
from components.errors import UnknownNameError
from search_spaces.arm import Arm, arm_factors, parse_choice

__all__ = ["PRESETS", "Preset", "preset"]


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


PRESETS: dict[str, Preset] = {
    "scunigp": Preset(
        "scUniGP with the settings of the paper (for GPUs)",
        {
            "scorer": "assembled",
            "bucketing": "none",  # appendix C: 'standardized expression profiles'
            "gnn": {
                "gat": {
                    "widths": [128, 64],  # 4.2: 'two-layer GAT or GCN, projecting inputs to 128 ... to 64'
                    "heads": 3,  # appendix C: '3 attention heads per layer'
                    "concat": True,  # appendix C: 'with LeakyReLU activation and concatenation'
                    "dropout": 0.01,  # appendix C: 'Dropout with a rate of 0.01 is used between layers'
                    "self_loops": False,  # appendix C: 'undirected edges and without self-loops'
                    "expert_widths": [
                        32,
                        16,
                    ],  # appendix C: 'dimensions 128, 64, and 32 ... final embeddings of 16'
                }
            },
            "pair_encoder": {
                # 4.2: 'four-layer Transformer encoder (8 heads, embedding size 1024)'; appendix C: 'dropout rate 0.2'
                "transformer": {"dim": 1024, "layers": 4, "heads": 8, "dropout": 0.2}
            },
            "fusion": {"multiscale": {"dropout": 0.2}},
            "contrast": "off",
            "negatives": "same_tf",  # 4.2: 'for each positive ... a negative pair with the same TF is uniformly drawn'
            "optimizer": {
                "adam": {
                    "learning_rate": 5e-6,  # 4.2: 'Adam with a learning rate of 5x10^-6'
                    "graph_learning_rate": 3e-3,  # appendix C: 'a learning rate of 3x10^-3'
                    "weight_decay": 1e-5,  # 4.2
                    "gamma": 0.999,  # 4.2: 'step scheduler (gamma = 0.999, step size = 10)'
                    "step_size": 10,
                }
            },
        },
        Budget(
            epochs=200,  # 4.2: 'up to 200 epochs with early stopping on validation AUROC (patience=8)'
            patience=8,
            batch_size=512,  # appendix C
            graph_epochs=30,  # appendix C: 'a maximum of 30 epochs'
            graph_patience=5,  # appendix C: 'early stopping after 5 epochs of no improvement'
            graph_batch_size=256,  # appendix C
        ),
    ),
    "scunigp-small": Preset(
        "scUniGP's recipe in a size for CPUs",
        {
            "scorer": "assembled",
            "bucketing": "none",
            "gnn": {"gat": {"widths": [128, 64], "self_loops": False}},
            "pair_encoder": {"transformer": {"dim": 128, "layers": 2, "heads": 4}},
            "fusion": "multiscale",
            "contrast": "off",
            "negatives": "same_tf",
            "optimizer": {"adam": {"learning_rate": 3e-4}},
        },
        Budget(epochs=40, patience=8),
    ),
    "knockout-small": Preset(
        "the same size, mended: what is asked in training looks like what is asked in the test",
        {
            "scorer": "assembled",
            "bucketing": "none",
            # With the published graph a training edge always links its own pair, which a test edge never does: the
            # model learns to see the link. Left out while they are predicted, training edges look like test edges.
            "gnn": {"gat": {"widths": [128, 64], "hide_batch": True}},
            "pair_encoder": {"transformer": {"dim": 128, "layers": 2, "heads": 4}},
            "fusion": "multiscale",
            "contrast": "off",
            # Negatives of the same TF alone hide from the model that TFs differ in their number of targets, on which
            # the test, whose negatives are drawn over all TFs, depends.
            "negatives": {"uniform": {"ratio": 5.0}},
            "optimizer": {"adam": {"learning_rate": 3e-4}},
        },
        Budget(epochs=40, patience=8),
    ),
}


def preset(name: str, *, where: str = "") -> Preset:
    """Return a preset by name, or say which exist."""
    if name not in PRESETS:
        raise UnknownNameError.of("preset", name, PRESETS, where=where)
    return PRESETS[name]
