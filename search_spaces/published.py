"""Published systems that scUniGP and GP-DHT are compared with, assembled from the levels of this package.

Each number is followed by the file of the system's public code that it is from: kckishan/GNE, zpliulab/GENELink,
sdesignates/GNNLink, WangyuchenCS/scGREAT. docs/systems.md lists what the levels cannot express.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core.budget import Budget

System = tuple[str, Mapping[str, Any], Budget]  # meaning, factor to choice, training budget

# all systems read standardised expression, and have no contrastive loss
PLAIN: Mapping[str, Any] = {"scorer": "assembled", "bucketing": "none", "contrast": "off"}

# systems that encode pairs and read no graph: nothing to fuse
PAIRS: Mapping[str, Any] = {**PLAIN, "gnn": "none", "fusion": "late"}

# systems whose graph decides alone: no pair is encoded
GRAPH: Mapping[str, Any] = {**PLAIN, "fusion": "expert", "pair_encoder": "mlp"}

# GENELink's Train_Test_Split.py draws negatives once, one per positive and of its TF, and on Specific networks takes
# all; GNNLink reads the sets it wrote
PUBLISHED_NEGATIVES: Mapping[str, Any] = {"protocol": {"ratio": 1.0, "fresh": False}}


def _for_cpus(system: System, name: str) -> System:
    return (f"{name} again: its published size is one for CPUs", *system[1:])


GNE: System = (
    "GNE with the settings of its code: a perceptron on gene pairs, without the gene-identity embedding",
    {
        **PAIRS,
        "pair_encoder": {
            "mlp": {
                "dim": 128,  # run_GNE.py: 'attr_embedding_size' = 128
                "layers": 1,  # GNE.py: one hidden layer, 'representation_size' = 128 in run_GNE.py
                "dropout": 0.5,  # GNE.py: 'self.keep_prob : 0.5'
            }
        },
        # run_GNE.py: 'n_neg_samples' = 10; GNE.py sets each neighbour of a gene against these (sampled softmax)
        "negatives": {"same_tf": {"ratio": 10.0}},
        "optimizer": {
            "adam": {
                "learning_rate": 5e-3,  # run_GNE.py: 'learning_rate' = 0.005
                "weight_decay": 0.0,  # GNE.py: none
                "gamma": 1.0,  # GNE.py: no schedule
            }
        },
    },
    Budget(
        epochs=20,  # run_GNE.py: 'epoch' = 20
        patience=3,  # GNE.py: stops when the last improvement is more than 'require_improvement = 2' epochs ago
        batch_size=256,  # run_GNE.py: 'batch_size' = 256
        graph_epochs=0,  # there is no graph to pre-train
    ),
)

GENELINK: System = (
    "GENELink with the settings of its code: graph attention, the pair scored by a dot product",
    {
        **GRAPH,
        "gnn": {
            "unit_attention": {  # scGNN.py: unit rows before the bias, ELU, no self-loops
                "widths": [128, 64],  # main.py: 'hidden_dim' = [128, 64, 32], of which the first two are attention
                "heads": 3,  # main.py: 'num_head' = [3, 3]; scGNN.py averages those of the second layer
                "attention_dropout": 0.5,  # scGNN.py: F.dropout at its default
                "expert": "roles",  # scGNN.py: tf_linear1, tf_linear2 and target_linear1, target_linear2
                "expert_widths": [32, 16],  # main.py: the third of 'hidden_dim', then 'output_dim' = 16
                "dropout": 0.0,  # scGNN.py: none between layers
                "head_dropout": 0.01,  # scGNN.py: F.dropout(p=0.01), inside of the heads, there active in the test, too
            }
        },
        "negatives": PUBLISHED_NEGATIVES,
        "optimizer": {
            "adam": {
                "learning_rate": 3e-3,  # main.py: 'lr' = 3e-3
                "weight_decay": 0.0,  # main.py: none
                "gamma": 0.99,  # main.py: StepLR(step_size=1, gamma=0.99), stepped per batch
                "step_size": 1,
                "step_by": "batch",
            }
        },
    },
    Budget(
        epochs=20,  # main.py: 'epochs' = 20
        patience=20,  # main.py never stops early
        batch_size=256,  # main.py: 'batch_size' = 256
        graph_epochs=0,  # the graph is all there is to train
        keep="last",  # main.py: saves what the last epoch leaves
    ),
)

GNNLINK: System = (
    "GNNLink with the settings of its code: graph convolution, the pair scored by a dot product",
    {
        **GRAPH,
        "fusion": {"expert": {"rectified": True}},  # gcn.py: decoder returns tf.nn.relu(logits)
        "bucketing": {"none": {"scale": "unit"}},  # utils.py: StandardScaler; Transorfomer.py: tf.nn.l2_normalize
        "gnn": {
            "gcn": {
                "widths": [128, 64],  # Transorfomer.py: output_dim = 128; gcn.py: weights2 is 64 wide
                "self_loops": True,  # inits.py: '+ np.eye', then '+ sp.eye' in preprocess_graph
                "self_weight": 2,  # the same
                "direction": "to_tf",  # inits.py: rows are TFs, which read their targets
                "activation": "leaky_relu",  # Transorfomer.py: act = tf.nn.leaky_relu, in both layers
                "bias": False,  # gcn.py: none
                "expert": "shared",  # gcn.py: decoder, embed times its own transpose
                "dropout": 0.0,  # Transorfomer.py hands in 0.25, which gcn.py leaves unused
            }
        },
        "negatives": PUBLISHED_NEGATIVES,
        "optimizer": {
            "adam": {
                "learning_rate": 1e-3,  # Transorfomer.py: self.lr = 0.001
                "weight_decay": 0.0,  # gcn.py: AdamOptimizer alone; 'l2_cof' is unused
                "gamma": 1.0,  # gcn.py: no schedule
                "loss": "squared",  # utils.py: masked_accuracy, the loss of Transorfomer.py
            }
        },
    },
    Budget(
        epochs=100,  # main.py: epochs = 100
        patience=100,  # main.py never stops early
        batch_size=1_000_000,  # main.py: one step an epoch, on all pairs
        graph_epochs=0,  # the graph is all there is to train
        keep="last",  # main.py: tests after the last epoch
    ),
)

SYSTEMS: dict[str, System] = {
    "gne": GNE,
    "gne-small": _for_cpus(GNE, "GNE"),
    "genelink": GENELINK,
    "genelink-small": _for_cpus(GENELINK, "GENELink"),
    "gnnlink": GNNLINK,
    "gnnlink-small": _for_cpus(GNNLINK, "GNNLink"),
    "scgreat": (
        "scGREAT with the settings of its code, without its text embeddings of gene names (for GPUs)",
        {
            **PAIRS,
            "pair_encoder": {
                "transformer": {
                    "dim": 768,  # demo.py: 'embed_size' = 768
                    "layers": 2,  # demo.py: 'num_layers' = 2
                    "heads": 4,  # demo.py: 'num_head' = 4
                    "hidden": 2048 / 768,  # model.py: TransformerEncoderLayer at its default of 2048
                    "dropout": 0.1,  # model.py: TransformerEncoderLayer at its default
                }
            },
            "negatives": "all",  # pre-processing.py: Hard_Negative_Specific_train_test_val, every non-target of a TF
            "optimizer": {
                "adam": {
                    "learning_rate": 1e-5,  # demo.py: 'lr' = 0.00001
                    "weight_decay": 0.0,  # main.py: none
                    "gamma": 0.999,  # demo.py
                    "step_size": 10,
                    "step_by": "batch",  # train_val.py
                }
            },
        },
        Budget(
            epochs=80,  # demo.py: 'epochs' = 80
            patience=80,  # main.py never stops early
            batch_size=32,  # demo.py: 'batch_size' = 32
            graph_epochs=0,  # there is no graph to pre-train
        ),
    ),
    "scgreat-small": (
        "scGREAT's recipe in a size for CPUs",
        {
            **PAIRS,
            "pair_encoder": {
                "transformer": {
                    "dim": 128,  # ours
                    "layers": 2,  # demo.py
                    "heads": 4,  # demo.py
                    "dropout": 0.1,  # model.py
                }
            },
            # ours: with 'all', as published, an epoch takes 20 seconds on mDC, STRING, and 20 epochs of this take 30
            "negatives": {"uniform": {"ratio": 5.0}},
            "optimizer": {
                "adam": {
                    "learning_rate": 3e-4,  # ours: fewer and larger batches
                    "weight_decay": 0.0,  # main.py
                    "gamma": 1.0,  # ours
                }
            },
        },
        Budget(epochs=20, patience=8, graph_epochs=0),  # ours
    ),
}
