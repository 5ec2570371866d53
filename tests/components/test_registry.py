from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError, nearest
from components.core.settings import Settings, describe, parse_settings, setting

ROOT = Path(__file__).parents[2]
PLUGIN = '''
from components.negatives import Uniform
from components.core.registry import register

@register("negatives", "{level}")
class {name}(Uniform):
    """Draws as Uniform does ``[negatives, 2]``. Source: a test."""
'''
ASK = "from components.core.registry import levels; print(sorted(levels('negatives')))"


def install(folder: Path, module: str, source: str, value: str = "") -> None:
    """Put a distribution into a folder, as pip would leave it there."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\n{module} = {value or module}\n")


def ask(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )


@pytest.fixture
def empty_factor(monkeypatch):
    """Leave 'contrast' without levels, so that a test may register its own and leave the registry as it was."""
    registry.levels("contrast")
    monkeypatch.setitem(registry._LEVELS, "contrast", {})


class TestWhatIsNotThere:
    def test_unknown_factor_names_the_nearest(self):
        with pytest.raises(UnknownNameError) as caught:
            registry.factor("fusoin", where="study.yaml line 3")
        text = str(caught.value)
        assert text.startswith("study.yaml line 3: unknown factor 'fusoin'")
        assert "Did you mean 'fusion'?" in text
        assert all(name in text for name in registry.FACTORS)

    def test_unknown_level_lists_the_levels(self):
        with pytest.raises(UnknownNameError) as caught:
            registry.level("negatives", "sametf", where="arm 2")
        text = str(caught.value)
        assert text.startswith("arm 2: unknown level of negatives 'sametf'. Did you mean 'same_tf'?")
        assert all(name in text for name in registry.levels("negatives"))

    def test_unknown_setting_lists_the_settings(self):
        with pytest.raises(UnknownNameError) as caught:
            registry.parse("negatives", "uniform", {"ration": 2.0}, where="arm 2")
        text = str(caught.value)
        assert text.startswith("arm 2: unknown setting of negatives.uniform 'ration'. Did you mean 'ratio'?")
        assert "ratio, fresh" in text

    def test_nothing_is_suggested_when_nothing_is_near(self):
        assert nearest("xyzzy", ["gat", "gcn"]) is None
        assert "Did you mean" not in str(UnknownNameError.of("level", "xyzzy", ["gat", "gcn"]))

    def test_an_empty_list_of_names_is_stated(self):
        assert "Known: none." in str(UnknownNameError.of("setting", "x", []))

    def test_errors_survive_the_way_back_from_a_worker(self):
        error = UnknownNameError.of("level", "gta", ["gat"], where="arm 1")
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), back.where) == (UnknownNameError, str(error), "arm 1")


class TestWhatIsNotAllowed:
    @pytest.mark.parametrize(
        ("factor", "level", "given", "named"),
        [
            ("negatives", "uniform", {"ratio": 99.0}, ("negatives.uniform.ratio", "50", "99.0")),
            ("negatives", "uniform", {"ratio": float("nan")}, ("negatives.uniform.ratio", "nan")),
            ("negatives", "uniform", {"ratio": "2"}, ("negatives.uniform.ratio", "number", "'2'")),
            ("negatives", "uniform", {"fresh": 1}, ("negatives.uniform.fresh", "true or false")),
            ("optimizer", "adam", {"learning_rate": "1e-5"}, ("optimizer.adam.learning_rate", "'1e-5'")),
            (
                "split",
                "per_tf",
                {"validation": "match"},
                ("split.per_tf.validation", "'matched'", "'natural'"),
            ),
            ("gnn", "gcn", {"widths": []}, ("gnn.gcn.widths", "not empty")),
            ("gnn", "gcn", {"widths": [8, 0]}, ("gnn.gcn.widths[1]", "got 0")),
            ("gnn", "gat", {"heads": 2.5}, ("gnn.gat.heads", "whole number", "2.5")),
            ("gnn", "mlp", {"hide_batch": True}, ("gnn.mlp.hide_batch",)),
        ],
    )
    def test_bad_value_is_refused_by_name(self, factor, level, given, named):
        with pytest.raises(KnockoutError) as caught:
            registry.parse(factor, level, given, where="study.yaml")
        assert all(word in str(caught.value) for word in ("study.yaml: ", *named)), str(caught.value)

    def test_settings_are_frozen(self):
        settings = registry.parse("negatives", "uniform")
        with pytest.raises(ValueError, match="frozen"):
            settings.ratio = 3.0

    def test_lists_of_a_study_file_become_tuples(self):
        class Wide(Settings):
            widths: tuple[int, ...] = setting((1,), "widths")

        assert parse_settings(Wide, {"widths": [3, 4]}, owner="x").widths == (3, 4)


class TestRegistering:
    def test_two_classes_wanting_one_name_are_both_named(self, empty_factor):
        class Settled(Settings):
            """Nothing."""

        class First:
            """Is first."""

            Settings = Settled

        class Second:
            """Is second."""

            Settings = Settled

        registry.register("contrast", "mine")(First)
        with pytest.raises(KnockoutError, match=r"'mine' is taken: .*\.First and .*\.Second both want it"):
            registry.register("contrast", "mine")(Second)
        assert registry._LEVELS["contrast"] == {"mine": First}

    def test_registering_one_class_twice_is_harmless(self, empty_factor):
        class Mine:
            """Is mine."""

            class Settings(Settings):
                """Nothing."""

        registry.register("contrast", "mine")(Mine)
        assert registry.register("contrast", "mine")(Mine) is Mine

    def test_class_without_settings_is_refused(self, empty_factor):
        class Bare:
            """Has no settings."""

        with pytest.raises(KnockoutError, match=r"contrast level 'bare': .*Bare needs a nested class Settings"):
            registry.register("contrast", "bare")(Bare)

    def test_docstring_of_the_base_does_not_count(self, empty_factor):
        class Base:
            """Is documented."""

            class Settings(Settings):
                """Nothing."""

        class Mute(Base):
            pass

        with pytest.raises(KnockoutError, match=r"contrast level 'mute': .*Mute needs a docstring"):
            registry.register("contrast", "mute")(Mute)

    def test_unknown_factor_is_refused_before_the_class_is_seen(self):
        with pytest.raises(UnknownNameError, match="unknown factor 'colour'"):
            registry.register("colour", "red")


class TestPlugins:
    def test_level_of_an_installed_package_is_found(self, tmp_path):
        install(tmp_path, "foo", PLUGIN.format(level="foo_uniform", name="Foo"))
        answer = ask(tmp_path)
        assert answer.returncode == 0, answer.stderr
        assert "'foo_uniform'" in answer.stdout
        assert "'same_tf'" in answer.stdout

    def test_broken_package_is_named(self, tmp_path):
        install(tmp_path, "broken", "import no_such_library\n")
        answer = ask(tmp_path)
        assert answer.returncode != 0
        last = answer.stderr.strip().splitlines()[-1]
        assert "KnockoutError: plug-in broken (broken): could not be loaded: ModuleNotFoundError" in last
        assert "no_such_library" in last

    def test_two_packages_wanting_one_name_are_both_named(self, tmp_path):
        install(tmp_path, "one", PLUGIN.format(level="shared", name="One"))
        install(tmp_path, "two", PLUGIN.format(level="shared", name="Two"))
        last = ask(tmp_path).stderr.strip().splitlines()[-1]
        assert "KnockoutError: plug-in " in last
        assert "negatives level 'shared' is taken" in last
        assert "one.One" in last
        assert "two.Two" in last

    def test_package_wanting_a_built_in_name_is_refused(self, tmp_path):
        install(tmp_path, "thief", PLUGIN.format(level="uniform", name="Thief"))
        last = ask(tmp_path).stderr.strip().splitlines()[-1]
        assert "plug-in thief (thief): negatives level 'uniform' is taken" in last


def test_description_names_range_search_and_unit():
    rows = {row["setting"]: row for row in describe(registry.level("optimizer", "adam").Settings)}
    assert rows["step_size"] == {
        "setting": "step_size",
        "default": "10",
        "range": "integer in [1, 10000]",
        "search": "",
        "unit": "",
        "meaning": "epochs (or batches) between two steps of the schedule",
    }
    assert rows["learning_rate"]["search"] == "{1e-05, 0.01} (log)"


def test_a_factor_lists_its_levels_in_the_order_of_its_package():
    graphs = ["none", "mlp", "gcn", "gat", "sage", "gin", "gatv2", "relational", "conv_attention", "unit_attention"]
    assert list(registry.levels("gnn")) == graphs
