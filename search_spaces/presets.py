"""Presets: reference arms that a study file can name, each with its training budget.

Each number is followed by the sentence of the paper that it is from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import Arm, arm_factors, parse_choice
from search_spaces.published import SYSTEMS
from search_spaces.rivals import RIVALS


@dataclass(frozen=True)
class Preset:
    """A full model with its training budget."""

    meaning: str  # one line for ``knockout components``
    reference: Mapping[str, Any]  # factor to choice, as a user would write it
    budget: Budget  # training budget

    def arm(self, name: str, changes: Mapping[str, Any] | None = None, *, where: str = "reference") -> Arm:
        """Return the preset as a reference arm, with a user's choices in place of its own."""
        own = {
            factor: parse_choice(factor, self.reference.get(factor, registry.FACTORS[factor].absent))
            for factor in arm_factors()
        }
        changed = {
            factor: parse_choice(factor, value, beside=own.get(factor), where=f"{where}.{factor}")
            for factor, value in (changes or {}).items()
        }
        return Arm(name, {**own, **changed}, role="reference")


# shared by the presets of scUniGP's shape for CPUs
SMALL: Mapping[str, Any] = {
    "scorer": "assembled",
    "bucketing": "none",
    "pair_encoder": {"transformer": {"dim": 128, "layers": 2, "heads": 4}},
    "fusion": "multiscale",
    "contrast": "off",
    "optimizer": {"adam": {"learning_rate": 3e-4}},
}

# 'HGATLink': GP-DHT's parent code (aniani6aa/HGATLink), which has its buckets, eq 12, maximum, batches and patience;
# docs/systems.md says what else they share
GPDHT: Mapping[str, Any] = {
    "scorer": "assembled",
    "bucketing": {
        "uniform": {  # 3.2: 'we adopt Uniform Bucketing as the default binning scheme'
            "levels": 15,  # HGATLink, stage 1: 15 relations; K is in no sentence of the paper
            "log": "ln",  # eq 1
            "dim": 256,  # 2.3.4: 'an embedding dimension of 256 yielding optimal performance'
            "width": 256,  # the same sentence: it says 'embedding' and not of what
            "layers": 1,  # 2.2.3: 'After one layer of message passing'
            "temperature": 0.25,  # HGATLink, stage 1; 2.2.3 has 'a temperature parameter' and no number
            "heads": 4,  # HGATLink, stage 1: 4 heads of 64, each normalised
        }
    },
    "gnn": "none",  # 2.3.2: 'without relying on a predefined graph topology'
    "pair_encoder": {
        "gpdht": {
            "dim": 256,  # 2.3.4: 'an embedding dimension of 256'
            "layers": 3,  # 2.3.2: 'a Transformer encoder with three layers'
            "width": 256,  # 2.3.2: 'mapped to a 256-dimensional representation'
            "heads": 4,  # HGATLink, stage 2: 4 heads; 2.3.2 has 'multi-head' and no number
            "dropout": 0.1,  # HGATLink, stage 2: encoder at torch's default
        }
    },
    "fusion": "late",  # nothing to fuse
    "contrast": {
        "supcon": {
            "bce_weight": 0.6,  # eq 23: '0.6 L_BCE + 0.4 L_SupCon'
            "weight": 0.4,  # eq 23
            "noise": 0.1,  # ours: 2.3.4 has 'controlled noise strength' and no number
            "noise_on": "input",  # 2.3.4: 'Gaussian noise is added to the input features X'
            "temperature": 0.1,  # ours: eq 21 has a tau and no number
        }
    },
    # Table 1: positives and negatives together are TFs x (genes - 1) in 13 of 14 rows, so all non-targets; 2.1 has
    # 'at a size 5-10x that of the positive samples' and leaves out pairs 'jointly highly expressed in >= 5% of cells',
    # which gp-dht-guessed does
    "negatives": "all",
    "optimizer": {
        "adam": {  # 3: 'we use the Adam optimizer'
            # HGATLink, stage 2: 'learning rate and weight decay, were tuned on a validation set' (2.3.4), no numbers
            "learning_rate": 1e-3,
            "weight_decay": 1e-6,
            "gamma": 1.0,  # no schedule is mentioned, HGATLink has none
        }
    },
}
GPDHT_FILTER: Mapping[str, Any] = {
    "cooccurrence": {
        "ratio": 5.0,  # 2.1: 'at a size 5-10x that of the positive samples'
        "joint": 0.05,  # 2.1: 'jointly highly expressed in >= 5% of cells'
        "quantile": 0.85,  # ours: 2.1 does not say what 'highly' is
    }
}
GPDHT_BUDGET = Budget(
    epochs=200,  # 3: 'Training stops after 200 iterations'
    patience=10,  # 3: 'or if parameters are not updated for 10 consecutive steps'
    batch_size=512,  # 3: 'a batch size of 512'
    graph_epochs=0,  # there is no graph to pre-train
)
GPDHT_SMALL: Mapping[str, Any] = {
    **GPDHT,
    "bucketing": {"uniform": {"levels": 15, "dim": 64, "width": 128, "temperature": 0.25, "heads": 4}},
    "pair_encoder": {"gpdht": {"dim": 128, "layers": 2, "heads": 4, "width": 128}},
    "contrast": {"supcon": {"bce_weight": 0.6, "weight": 0.4}},  # noise on encodings: one pass instead of two
}
GPDHT_SMALL_BUDGET = Budget(epochs=40, patience=10, graph_epochs=0)

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
                    # appendix C: 'dimensions 128, 64, and 32 ... final embeddings of 16'
                    "expert_widths": [32, 16],
                }
            },
            "pair_encoder": {
                "transformer": {
                    "dim": 1024,  # 4.2: 'four-layer Transformer encoder (8 heads, embedding size 1024)'
                    "layers": 4,
                    "heads": 8,
                    "dropout": 0.2,  # appendix C: 'dropout rate 0.2'
                    "context": 5,  # appendix C: 'up to five neighboring gene pairs are sampled from the graph'
                }
            },
            "fusion": {"multiscale": {"dropout": 0.2}},
            "contrast": "off",
            # 4.2: 'for each positive ... a negative pair with the same TF is uniformly drawn'; appendix B, of networks
            # that are split by hard negatives: 'negative samples are partitioned in the same proportion'
            "negatives": "protocol",
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
            **SMALL,
            "gnn": {"gat": {"widths": [128, 64], "self_loops": False}},
            # a tenth of the non-targets in each epoch, another one each time: AUROC .965 on STRING mDC, where all of
            # them give .964 for more than five times the CPU time
            "negatives": {"protocol": {"share": 0.1}},
        },
        Budget(epochs=40, patience=8),
    ),
    "knockout-small": Preset(
        "the same size, mended: what is asked in training looks like what is asked in the test",
        {
            **SMALL,
            # In the published graph a training edge always links its own pair, which a test edge never does, and the
            # model learns to recognise the link. Training edges that are left out while they are predicted look like
            # test edges. Self-loops (PyG's default) let a gene without any other edge keep its own features.
            "gnn": {"gat": {"widths": [128, 64], "hide_batch": True}},
            # Negatives of the same TF hide from the model that TFs differ in their number of targets, on which the test
            # depends, whose negatives are drawn over all TFs.
            "negatives": {"uniform": {"ratio": 5.0}},
        },
        Budget(epochs=40, patience=8),
    ),
    "boosting": Preset(
        "trees over what training edges and expression say of a pair: found by a search, see what-expression-is-worth",
        {
            **SMALL,
            "scorer": {
                "boosting": {
                    "fits": 5,
                    "trees": 163,
                    "learning_rate": 0.03072656118277017,  # as the search drew it: the arm that was confirmed
                    "leaves": 57,
                    "ratio": 26.46998286517919,
                    "correlation": False,
                    "components": 13,
                }
            },
            "gnn": "gat",  # no part but the scorer acts
            "negatives": "uniform",
        },
        Budget(),
    ),
    "gp-dht": Preset(
        "GP-DHT with the settings of the paper; where it gives none, those of HGATLink's code (for GPUs)",
        GPDHT,
        GPDHT_BUDGET,
    ),
    "gp-dht-small": Preset("GP-DHT's recipe in a size for CPUs", GPDHT_SMALL, GPDHT_SMALL_BUDGET),
    "gp-dht-guessed": Preset(
        "GP-DHT with the settings of the paper; where it gives none, what we took before we knew HGATLink's (for GPUs)",
        {
            **GPDHT,
            "bucketing": {"uniform": {"levels": 5, "dim": 256, "width": 256, "temperature": 0.1}},
            "contrast": {"supcon": {"bce_weight": 0.6, "weight": 0.4, "noise": 0.1, "temperature": 0.1}},
            "negatives": GPDHT_FILTER,
            "optimizer": {"adam": {"learning_rate": 1e-4, "weight_decay": 1e-5, "gamma": 1.0}},
        },
        GPDHT_BUDGET,
    ),
    "gp-dht-guessed-small": Preset(
        "the same in a size for CPUs",
        {
            **GPDHT_SMALL,
            "bucketing": {"uniform": {"levels": 5, "dim": 64, "width": 128}},
            "negatives": GPDHT_FILTER,
            "optimizer": {"adam": {"learning_rate": 3e-4, "gamma": 1.0}},
        },
        GPDHT_SMALL_BUDGET,
    ),
    **{name: Preset(*system) for name, system in (SYSTEMS | RIVALS).items()},
}


def register_preset(
    name: str, meaning: str, changes: Mapping[str, Any], *, like: str = "knockout-small", budget: Budget | None = None
) -> None:
    """Add a preset: another one with some choices, and perhaps the budget, replaced.

    Parameters
    ----------
    name, meaning
        Name in study files, and one line for ``knockout components --presets``.
    changes
        Factor to choice, as a study file writes it.
    like
        Preset whose choices are used for the other factors.
    budget
        Training budget; None: that of ``like``.

    Raises
    ------
    KnockoutError
        If the name is taken by another preset, or ``like`` or a choice does not exist.
    """
    base = preset(like, where=f"preset {name!r}, like")
    added = Preset(meaning, {**base.reference, **changes}, budget or base.budget)
    if PRESETS.get(name, added) != added:
        raise KnockoutError(f"preset {name!r} is taken: {PRESETS[name].meaning}.")
    for factor, choice in changes.items():
        parse_choice(factor, choice, where=f"preset {name!r}, {factor}")
    PRESETS[name] = added


def preset(name: str, *, where: str = "") -> Preset:
    """Return a preset by name; raise :class:`UnknownNameError`, which lists the presets, if there is none."""
    if name not in PRESETS:
        raise UnknownNameError.of("preset", name, PRESETS, where=where)
    return PRESETS[name]
