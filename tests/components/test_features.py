"""Features of genes from a file, as a level: features of a gene, those of its controls, and what neither reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from component_cases import make_dataset, make_model, make_parts

from components.bucketing import Features, NoBucketing
from components.core import registry
from components.core.errors import KnockoutError
from components.core.settings import paths_from

GENES = tuple(f"G{k}" for k in range(12))
ABSENT = (3, 7)  # genes that the file of most tests does not have
RNG = np.random.default_rng(5)
VALUES = RNG.normal(2.0, [1.0, 30.0, 0.01], (12, 3))
EXPRESSION = torch.from_numpy(RNG.gamma(1.0, 1.0, (12, 20)).astype(np.float32))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def to(values: np.ndarray = VALUES, absent: tuple[int, ...] = (), name: str = "x.parquet") -> str:
        present = [k for k in range(len(values)) if k not in absent]
        columns = [f"c{k}" for k in range(values.shape[1])]
        frame = pd.DataFrame(values[present], index=[f"g{k}" for k in present], columns=columns)
        frame.iloc[::-1].to_parquet(tmp_path / name)  # in an order of its own
        return str(tmp_path / name)

    return to


def build(file: str, genes: tuple[str, ...] = GENES, seed: int = 0, **settings: Any) -> Features:
    parsed = registry.parse("bucketing", "features", {"file": file, **settings})
    return Features(parsed, EXPRESSION, genes, np.random.default_rng(seed))


class TestWhatAGeneIsGiven:
    def test_its_row_standardised_over_the_genes_of_the_data_set(self, write):
        expected = (VALUES - VALUES.mean(0)) / VALUES.std(0)
        np.testing.assert_allclose(build(write())().numpy(), expected, rtol=1e-4)
        some = (VALUES[:6] - VALUES[:6].mean(0)) / VALUES[:6].std(0)
        part = Features(registry.parse("bucketing", "features", {"file": write()}), EXPRESSION[:6], GENES[:6], RNG)
        np.testing.assert_allclose(part().numpy(), some, rtol=1e-4)

    def test_or_scaled_as_a_matrix(self, write):
        centred = VALUES - VALUES.mean(0)
        np.testing.assert_allclose(build(write(), standardise="matrix")().numpy(), centred / centred.std(), rtol=1e-4)

    def test_expression_first_where_it_stands_beside(self, write):
        profile = NoBucketing(NoBucketing.Settings(scale="cell"), EXPRESSION)()
        both = build(write(), beside={"none": {"scale": "cell"}})
        assert torch.equal(both()[:, :20], profile)
        assert torch.equal(both()[:, 20:], build(write())())
        assert both.width == 23

    def test_weights_of_what_stands_beside_are_trained(self, write):
        part = build(write(), beside={"uniform": {"levels": 3, "dim": 8, "width": 6}})
        part().square().sum().backward()
        assert part.expression.genes.grad.any()

    def test_wide_features_are_rotated_and_lose_no_distance(self, write):
        wide = RNG.normal(size=(12, 200))
        part = build(write(wide))
        assert part.width == 11  # rank of 12 centred rows
        scaled = (wide - wide.mean(0)) / wide.std(0)
        distances = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (scaled, part().numpy())]
        np.testing.assert_allclose(distances[1] / distances[1].max(), distances[0] / distances[0].max(), atol=1e-5)

    @pytest.mark.parametrize("columns", [5, 40])
    def test_components_are_those_of_scikit_learn(self, write, columns: int):
        from sklearn.decomposition import PCA

        values = RNG.normal(size=(12, columns))
        scaled = (values - values.mean(0)) / values.std(0)
        expected = PCA(3, svd_solver="full").fit_transform(scaled)
        components = build(write(values), components=3)().numpy()
        np.testing.assert_allclose(np.abs(components), np.abs(expected / expected.std()), atol=1e-4)

    def test_columns_that_never_vary_are_left_out(self, write):
        part = build(write(np.column_stack([VALUES, np.full(12, 1e6)])))
        assert part.width == 3
        with pytest.raises(KnockoutError, match="no column varies"):
            build(write(np.ones((12, 2)), name="flat.parquet"))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_value_that_is_not_finite_is_refused_where_a_gene_has_it(self, write, bad: float):
        values = VALUES.copy()
        values[4, 1] = bad
        with pytest.raises(KnockoutError, match="no finite number; 1 value") as refused:
            build(write(values))
        assert refused.value.where.endswith("gene 'G4', column 'c1'")
        Features(registry.parse("bucketing", "features", {"file": write(values)}), EXPRESSION[:4], GENES[:4], RNG)


class TestGenesWithoutARow:
    def test_have_the_mean_by_default(self, write):
        features = build(write(absent=ABSENT))().numpy()
        assert not features[list(ABSENT)].any()
        present = np.delete(features, ABSENT, axis=0)
        np.testing.assert_allclose(present.mean(0), 0.0, atol=1e-6)
        np.testing.assert_allclose(present.std(0), 1.0, rtol=1e-5)

    def test_or_a_column_that_marks_them(self, write):
        features = build(write(absent=ABSENT), missing="indicator")().numpy()
        assert np.flatnonzero(features[:, -1]).tolist() == list(ABSENT)

    def test_or_the_row_of_another_gene_without_a_mark(self, write):
        features = build(write(absent=ABSENT), missing="draw")().numpy()
        others = np.delete(features, ABSENT, axis=0)
        assert all((others == features[k]).all(1).any() for k in ABSENT)

    def test_are_refused_beyond_a_share(self, write):
        file = write(absent=tuple(range(5, 12)))
        with pytest.raises(
            KnockoutError, match=r"has 5 of 12 genes .*41\.7 %.* at least 50 % .*missing: G5, G6.*`least`"
        ):
            build(file)
        build(file, least=0.4)
        with pytest.raises(KnockoutError, match="and 100 % are asked for; missing: G3, G7"):
            build(write(absent=ABSENT), missing="refuse")

    @pytest.mark.parametrize("rows", ["permuted", "random"])
    @pytest.mark.parametrize("missing", ["mean", "indicator"])
    def test_are_the_same_in_controls(self, write, rows: str, missing: str):
        own, other = (build(write(absent=ABSENT), rows=r, missing=missing)().numpy() for r in ("own", rows))
        np.testing.assert_array_equal(own[list(ABSENT)], other[list(ABSENT)])


class TestControls:
    def test_permuted_rows_are_the_same_rows_of_other_genes(self, write):
        own, permuted = build(write())().numpy(), build(write(), rows="permuted")().numpy()
        np.testing.assert_array_equal(np.sort(own, axis=0), np.sort(permuted, axis=0))
        assert {tuple(row) for row in own} == {tuple(row) for row in permuted}
        assert (own != permuted).any(1).sum() > 6

    def test_random_rows_have_their_scale_and_no_more(self, write):
        values = RNG.normal(size=(12, 200))
        own, drawn = (build(write(values), components=4, rows=rows)() for rows in ("own", "random"))
        assert own.shape == drawn.shape
        genes = tuple(f"G{k}" for k in range(2000))
        many = RNG.normal(size=(2000, 8)) * np.arange(1, 9)
        settings = {"file": write(many, name="many.parquet"), "standardise": "matrix", "rows": "random"}
        part = Features(registry.parse("bucketing", "features", settings), torch.zeros(2000, 2), genes, RNG)
        np.testing.assert_allclose(part().numpy().std(0), many.std(0) / (many - many.mean(0)).std(), rtol=0.1)

    def test_draws_are_of_the_repeat_and_the_same_for_every_arm(self, write):
        dataset = make_dataset()
        file = write(RNG.normal(size=(40, 5)))
        given = {"file": file, "rows": "permuted"}

        def features(repeat: int, **more: Any) -> torch.Tensor:
            parts = make_parts(bucketing=("features", given), **more)
            return make_model(dataset, parts, repeat).bucketing()

        assert torch.equal(features(0), features(0, gnn="none", pair_encoder="mlp"))
        assert not torch.equal(features(0), features(1))
        beside = make_model(dataset, make_parts(bucketing=("features", given | {"beside": "none"}))).bucketing()
        assert torch.equal(beside[:, dataset.n_cells :], features(0))

    def test_expression_is_not_read_where_nothing_stands_beside(self, write):
        one, other = (
            Features(registry.parse("bucketing", "features", {"file": write()}), expression, GENES, RNG)()
            for expression in (EXPRESSION, torch.zeros(12, 3))
        )
        assert torch.equal(one, other)


class TestSettings:
    def test_a_path_starts_from_the_study_file(self, write, tmp_path: Path):
        write()
        with paths_from(tmp_path):
            settings = registry.parse("bucketing", "features", {"file": "x.parquet"})
        assert settings.file == str(tmp_path / "x.parquet")
        message = r"bucketing\.features\.file: there is no file .*Y\.parquet\. Did you mean 'x\.parquet'\?"
        with pytest.raises(KnockoutError, match=message):
            registry.parse("bucketing", "features", {"file": str(tmp_path / "Y.parquet")})

    @pytest.mark.parametrize(
        ("beside", "message"),
        [
            ("unifrm", "Did you mean 'uniform'"),
            ("features", "unknown bucketing beside features 'features'"),
            ("factorised", "unknown bucketing beside features"),
            ({"none": {"scal": "gene"}}, "unknown setting of bucketing.none 'scal'"),
            ({"none": {}, "uniform": {}}, "unknown bucketing beside features"),
        ],
    )
    def test_what_cannot_stand_beside_is_named(self, beside: Any, message: str):
        with pytest.raises(KnockoutError, match=message):
            registry.parse("bucketing", "features", {"beside": beside})

    def test_without_a_file_the_message_names_the_cure(self):
        with pytest.raises(KnockoutError, match="which features"):
            build("")

    def test_two_ways_to_write_what_stands_beside_are_one(self, write):
        one, two = (
            registry.parse("bucketing", "features", {"file": write(), "beside": beside}).identity()
            for beside in ("none", {"none": {"scale": "gene"}})
        )
        assert one == two


class TestTransfer:
    def test_features_stay_and_what_stands_beside_is_shown_other_cells(self, write):
        alone, both = build(write()), build(write(), beside="coexpression")
        before = alone(), both()
        for part in (alone, both):
            part.show(EXPRESSION.flip(1)[:, :9].contiguous())
        assert torch.equal(alone(), before[0])
        assert torch.equal(both()[:, 12:], before[1][:, 12:])
        assert not torch.allclose(both()[:, :12], before[1][:, :12])

    @pytest.mark.parametrize(("beside", "tie"), [("nothing", ""), ("coexpression", ""), ("none", "the cells it was")])
    def test_it_is_tied_to_what_stands_beside(self, beside: str, tie: str):
        assert Features.tie(registry.parse("bucketing", "features", {"beside": beside})).startswith(tie)
        assert bool(Features.tie(registry.parse("bucketing", "features", {"beside": beside}))) == bool(tie)
