from typing import Any

import pytest

from components.core.errors import UnknownNameError
from search_spaces.arm import arm_factors
from search_spaces.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_every_factor_and_parses(name: str):
    arm = preset(name).arm(name)
    assert set(arm.choices) == set(arm_factors())
    assert arm.role == "reference"
    assert arm.levels()["scorer"] == ("boosting" if name == "boosting" else "assembled")


def test_presets_are_different_models():
    # three published systems are small as they are: their name with '-small' is the same arm
    again = {"gne-small": "gne", "genelink-small": "genelink", "gnnlink-small": "gnnlink"}
    digests = {name: preset(name).arm("x").digest for name in PRESETS}
    assert all(digests[small] == digests[name] for small, name in again.items())
    assert len(set(digests.values())) == len(PRESETS) - len(again)


def test_scunigp_holds_the_numbers_of_the_paper():
    # scUniGP.txt, 4.2 and appendix C; where the text contradicts itself (two layers or three), 4.2 is followed
    choices = preset("scunigp").arm("x").choices
    gnn = choices["gnn"].settings.model_dump()
    assert choices["gnn"].level == "gat"
    assert (gnn["widths"], gnn["heads"], gnn["concat"], gnn["dropout"]) == ((128, 64), 3, True, 0.01)
    assert (gnn["self_loops"], gnn["expert_widths"]) == (False, (32, 16))
    pair = choices["pair_encoder"].settings.model_dump()
    assert (pair["dim"], pair["layers"], pair["heads"]) == (1024, 4, 8)
    adam = choices["optimizer"].settings.model_dump()
    assert (adam["learning_rate"], adam["graph_learning_rate"], adam["weight_decay"]) == (5e-6, 3e-3, 1e-5)
    assert (adam["gamma"], adam["step_size"]) == (0.999, 10)
    assert choices["negatives"].level == "protocol" and choices["negatives"].settings.model_dump()["ratio"] == 1.0
    assert choices["fusion"].level == "multiscale"
    budget = preset("scunigp").budget
    assert (budget.epochs, budget.patience, budget.choose_by) == (200, 8, "auroc")
    assert (budget.graph_epochs, budget.graph_patience, budget.graph_batch_size) == (30, 5, 256)


def test_a_users_settings_are_laid_over_the_presets_own():
    arm = preset("scunigp").arm("mine", {"gnn": {"gat": {"heads": 1}}, "optimizer": {"adam": {"gamma": 0.5}}})
    gnn, adam = (arm.choices[name].settings.model_dump() for name in ("gnn", "optimizer"))
    assert (gnn["heads"], gnn["self_loops"]) == (1, False)
    assert (adam["gamma"], adam["learning_rate"]) == (0.5, 5e-6)


def test_a_misspelt_preset_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'scunigp'"):
        preset("scunipg")


def test_gpdht_holds_the_numbers_of_the_paper():
    # GP-DHT.txt, 2.1, 2.3 and 3; what the paper leaves out is from HGATLink's code, as the preset notes line by line
    choices = preset("gp-dht").arm("x").choices
    assert choices["bucketing"].level == "uniform" and choices["gnn"].level == "none"
    bucketing = choices["bucketing"].settings.model_dump()
    assert (bucketing["width"], bucketing["layers"], bucketing["log"]) == (256, 1, "ln")
    assert (bucketing["levels"], bucketing["temperature"], bucketing["dim"] // bucketing["heads"]) == (15, 0.25, 64)
    adam = choices["optimizer"].settings.model_dump()
    assert (adam["learning_rate"], adam["weight_decay"]) == (1e-3, 1e-6)
    pair = choices["pair_encoder"].settings.model_dump()
    assert (choices["pair_encoder"].level, pair["layers"], pair["width"]) == ("gpdht", 3, 256)
    contrast = choices["contrast"].settings.model_dump()
    assert (choices["contrast"].level, contrast["bce_weight"], contrast["weight"]) == ("supcon", 0.6, 0.4)
    assert contrast["noise_on"] == "input"  # 2.3.4: 'Gaussian noise is added to the input features'
    assert choices["negatives"].level == "all"  # Table 1: all non-targets
    filtered = preset("gp-dht-guessed").arm("x").choices["negatives"]  # 2.1: '5-10x', '>= 5% of cells'
    assert (
        filtered.level == "cooccurrence" and 5.0 <= filtered.settings.ratio <= 10.0 and filtered.settings.joint == 0.05
    )
    budget = preset("gp-dht").budget
    assert (budget.epochs, budget.patience, budget.batch_size, budget.graph_epochs) == (200, 10, 512, 0)


def test_published_systems_hold_the_numbers_of_their_code():
    # zpliulab/GENELink main.py, sdesignates/GNNLink, WangyuchenCS/scGREAT demo.py, kckishan/GNE run_GNE.py
    genelink = preset("genelink").arm("x").choices
    gnn = genelink["gnn"].settings.model_dump()
    assert (genelink["gnn"].level, gnn["widths"], gnn["expert_widths"]) == ("unit_attention", (128, 64), (32, 16))
    assert (gnn["heads"], gnn["attention_dropout"], preset("genelink").budget.keep) == (3, 0.5, "last")
    assert (gnn["dropout"], gnn["head_dropout"]) == (0.0, 0.01)  # scGNN.py: inside of the role heads alone
    assert genelink["negatives"].level == "protocol" and not genelink["negatives"].settings.model_dump()["fresh"]
    gnnlink = preset("gnnlink").arm("x").choices
    gnn = gnnlink["gnn"].settings.model_dump()
    assert (gnnlink["gnn"].level, gnn["widths"], gnn["expert"]) == ("gcn", (128, 64), "shared")
    assert (gnn["direction"], gnn["self_weight"], gnn["bias"], gnn["activation"]) == ("to_tf", 2, False, "leaky_relu")
    assert (_adam("gnnlink")["loss"], preset("gnnlink").budget.keep) == ("squared", "last")
    pair = preset("scgreat").arm("x").choices["pair_encoder"].settings.model_dump()
    assert (pair["dim"], pair["layers"], pair["heads"], round(pair["hidden"] * pair["dim"])) == (768, 2, 4, 2048)
    pair = preset("gne").arm("x").choices["pair_encoder"].settings.model_dump()
    assert (pair["dim"], pair["layers"], pair["dropout"]) == (128, 1, 0.5)
    rates = {name: _adam(name)["learning_rate"] for name in ("gne", "genelink", "gnnlink", "scgreat")}
    assert rates == {"gne": 5e-3, "genelink": 3e-3, "gnnlink": 1e-3, "scgreat": 1e-5}
    budgets = [preset(name).budget for name in rates]
    assert [(b.epochs, b.batch_size) for b in budgets] == [(20, 256), (20, 256), (100, 1_000_000), (80, 32)]


def test_rivals_of_gpdht_hold_the_numbers_of_their_code():
    # Lishuoyy/GMFGRN, aniani6aa/HGATLink, DHUDBlab/IGEGRNS, biomg/GATCL
    first = {name: _settings(name, "bucketing") for name in ("gmfgrn", "hgatlink")}
    for name, message in (("gmfgrn", "sum"), ("hgatlink", "gated_maximum")):
        stage = first[name]
        assert (stage["message"], stage["levels"], stage["dim"], stage["width"]) == (message, 15, 256, 256)
        assert (stage["learning_rate"], stage["clip"], preset(name).budget.unsupervised_steps) == (0.01, 0.1, 20_000)
        assert (_adam(name)["learning_rate"], _adam(name)["weight_decay"]) == (1e-3, 1e-6)
    assert first["gmfgrn"]["cells"] and not first["hgatlink"]["cells"]
    assert (first["hgatlink"]["heads"], first["hgatlink"]["temperature"]) == (4, 0.25)
    pair = _settings("hgatlink", "pair_encoder")
    assert (pair["layers"], pair["hidden"] * pair["dim"], pair["decoder_hidden"] * pair["dim"]) == (2, 2048, 256)
    sage, adam = _settings("igegrns", "gnn"), _adam("igegrns")
    assert (sage["widths"], sage["direction"], sage["normalize"]) == ((256,), "to_target", True)
    assert (adam["learning_rate"], adam["gamma"], adam["step_size"], adam["loss"]) == (5e-3, 0.8, 5, "double_sigmoid")
    gat, adam = _settings("gatcl", "gnn"), _adam("gatcl")
    # main.py: hidden_dim = [128, 64, 32], the first times three heads
    assert (gat["widths"], gat["heads"], gat["attention_dropout"]) == ((384, 64), 3, 0.5)
    assert (gat["dropout"], gat["head_dropout"], gat["expert_widths"]) == (0.0, 0.01, (32, 16))
    assert (adam["learning_rate"], adam["gamma"], adam["step_size"], adam["step_by"]) == (3e-4, 0.99, 1, "batch")
    budgets = {name: preset(name).budget for name in ("gmfgrn", "hgatlink", "igegrns", "gatcl")}
    assert {name: (b.epochs, b.patience, b.batch_size) for name, b in budgets.items()} == {
        "gmfgrn": (200, 11, 512),
        "hgatlink": (200, 10, 512),
        "igegrns": (100, 100, 1_000_000),
        "gatcl": (90, 90, 256),
    }
    assert {b.keep for b in budgets.values()} == {"last"}


def _settings(name: str, factor: str) -> dict[str, Any]:
    return preset(name).arm("x").choices[factor].settings.model_dump()


def _adam(name: str) -> dict[str, float]:
    return preset(name).arm("x").choices["optimizer"].settings.model_dump()
