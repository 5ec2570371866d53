import pytest

from components.core.errors import UnknownNameError
from search_spaces.arm import arm_factors
from search_spaces.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_every_factor_and_parses(name: str):
    arm = preset(name).arm(name)
    assert set(arm.choices) == set(arm_factors())
    assert arm.role == "reference"
    assert arm.levels()["scorer"] == "assembled"


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
    # GP-DHT.txt, 2.1, 2.3 and 3; what the paper leaves out is ours, and the preset says so line by line
    choices = preset("gp-dht").arm("x").choices
    assert choices["bucketing"].level == "uniform" and choices["gnn"].level == "none"
    bucketing = choices["bucketing"].settings.model_dump()
    assert (bucketing["width"], bucketing["layers"], bucketing["log"]) == (256, 1, "ln")
    pair = choices["pair_encoder"].settings.model_dump()
    assert (choices["pair_encoder"].level, pair["layers"], pair["width"]) == ("gpdht", 3, 256)
    contrast = choices["contrast"].settings.model_dump()
    assert (choices["contrast"].level, contrast["bce_weight"], contrast["weight"]) == ("supcon", 0.6, 0.4)
    negatives = choices["negatives"].settings.model_dump()
    assert choices["negatives"].level == "cooccurrence"
    assert 5.0 <= negatives["ratio"] <= 10.0 and negatives["joint"] == 0.05
    budget = preset("gp-dht").budget
    assert (budget.epochs, budget.patience, budget.batch_size, budget.graph_epochs) == (200, 10, 512, 0)


def test_published_systems_hold_the_numbers_of_their_code():
    # zpliulab/GENELink main.py, sdesignates/GNNLink, WangyuchenCS/scGREAT demo.py, kckishan/GNE run_GNE.py
    genelink = preset("genelink").arm("x").choices
    gnn = genelink["gnn"].settings.model_dump()
    assert (genelink["gnn"].level, gnn["widths"], gnn["heads"], gnn["expert_widths"]) == ("gat", (128, 64), 3, (32, 16))
    assert genelink["negatives"].level == "protocol" and not genelink["negatives"].settings.model_dump()["fresh"]
    gnnlink = preset("gnnlink").arm("x").choices
    gnn = gnnlink["gnn"].settings.model_dump()
    assert (gnnlink["gnn"].level, gnn["widths"], gnn["expert"]) == ("gcn", (128, 64), "shared")
    pair = preset("scgreat").arm("x").choices["pair_encoder"].settings.model_dump()
    assert (pair["dim"], pair["layers"], pair["heads"], round(pair["hidden"] * pair["dim"])) == (768, 2, 4, 2048)
    pair = preset("gne").arm("x").choices["pair_encoder"].settings.model_dump()
    assert (pair["dim"], pair["layers"], pair["dropout"]) == (128, 1, 0.5)
    rates = {name: _adam(name)["learning_rate"] for name in ("gne", "genelink", "gnnlink", "scgreat")}
    assert rates == {"gne": 5e-3, "genelink": 3e-3, "gnnlink": 1e-3, "scgreat": 1e-5}
    budgets = [preset(name).budget for name in rates]
    assert [(b.epochs, b.batch_size) for b in budgets] == [(20, 256), (20, 256), (100, 1_000_000), (80, 32)]


def _adam(name: str) -> dict[str, float]:
    return preset(name).arm("x").choices["optimizer"].settings.model_dump()
