"""Reports of a search and of tuned arms: numbers as in the files, the test sealed, every warning on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import analyse
from hypothesis import given
from hypothesis import strategies as st
from test_build import read

from reports.build import build_search, write
from reports.errors import ReportError
from reports.options import Provenance
from reports.page.sections.search import search_summary
from reports.page.sections.tuning import tuning_sentence
from reports.search.reading import read_search, read_tuning
from reports.search.record import (
    Search,
    best_so_far,
    best_trials,
    changes,
    expected_maximum,
    search_refusals,
    tuning_refusals,
)
from reports.table.table import Table
from study.spec.folder import OutFolder, SearchFolder

Written = Callable[..., Path]
WARM, ASKED = 3, 32
RATE, HEADS, DIM = "optimizer.adam.learning_rate", "gnn.gat.heads", "pair_encoder.transformer.dim"
SPACE = [
    {"name": "gnn", "range": "gat | gcn | none"},
    {"name": HEADS, "range": "1 .. 8"},
    {"name": "fusion", "range": "multiscale | late | early"},
    {"name": RATE, "range": "0.0001 .. 0.01 (log)"},
    {"name": DIM, "range": "32 .. 64"},
]


def page_of(out: Path, page: Path, **how: Provenance) -> Path:
    return build_search(OutFolder(out).search, page, **how)


def trial_frame(objectives: tuple[str, ...] = ("auroc",), budget: int = ASKED, seed: int = 1) -> pd.DataFrame:
    """Trials as a search writes them: warm ones first, then the reference; fusion acts beside a graph alone."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number in range(WARM + budget):
        warm, of_reference = number < WARM, number == WARM
        gnn = "gat" if of_reference else str(rng.choice(["gat", "gcn", "none"]))
        rate = 0.001 if of_reference else float(10 ** rng.uniform(-4, -2))
        score = {"gat": 0.86, "gcn": 0.84, "none": 0.8}[gnn] - 0.02 * abs(np.log10(rate) + 3) + rng.normal(0, 0.008)
        drawn = (
            "complete" if warm or of_reference else str(rng.choice(["complete", "pruned", "failed"], p=[0.6, 0.3, 0.1]))
        )
        drawn = "complete" if drawn == "pruned" and len(objectives) > 1 else drawn
        cells = {"complete": 6, "pruned": int(rng.integers(2, 5)), "failed": 1}[drawn]
        seconds = cells * float(rng.uniform(2, 9)) * {"gat": 2.0, "gcn": 1.5, "none": 0.3}[gnn]
        row = {
            **{"number": number, "state": drawn, "warm": warm, "arm": f"trial {number}", "arm_digest": f"d{number}"},
            **{"cells": cells, "seconds": round(seconds, 3)},
            **{
                "param:gnn": gnn,
                f"param:{RATE}": rate,
                f"param:{DIM}": 32 if of_reference else int(rng.integers(32, 65)),
            },
            f"param:{HEADS}": str(4 if of_reference else int(rng.integers(1, 9))) if gnn == "gat" else None,
            "param:fusion": None
            if gnn == "none"
            else "multiscale"
            if of_reference
            else str(rng.choice(["late", "early"])),
        }
        values = {"auroc": score, "seconds": seconds / cells, "parameters": float(rng.integers(10_000, 90_000))}
        if drawn != "failed":
            row |= {f"objective:{name}": values[name] for name in objectives}
        rows.append(row)
    columns = ["number", "state", "warm", "arm", "arm_digest", "cells", "seconds"]
    columns += [f"objective:{name}" for name in objectives] + [f"param:{entry['name']}" for entry in SPACE]
    return pd.DataFrame(rows, columns=columns)


def search_record(trials: pd.DataFrame, objectives: tuple[str, ...]) -> dict[str, Any]:
    complete = trials[trials["state"] == "complete"]
    table = complete[[f"objective:{name}" for name in objectives]].to_numpy() * [
        -1 if o == "auroc" else 1 for o in objectives
    ]
    front = [
        n
        for n, row in zip(complete["number"], table, strict=True)
        if not ((table <= row).all(1) & (table < row).any(1)).any()
    ]
    worth = {
        "gnn": (0.41, ""),
        RATE: (0.22, ""),
        DIM: (0.03, ""),
        HEADS: (0.18, "gnn=gat"),
        "fusion": (0.02, "fusion acts"),
    }
    having = {name: int(complete[f"param:{name}"].notna().sum()) for name in worth}
    return {
        **{
            "study": "demo",
            "metric": "auroc",
            "sampler": "tpe",
            "pruner": "none" if len(objectives) > 1 else "wilcoxon",
        },
        "objectives": [{"name": o, "direction": "maximize" if o == "auroc" else "minimize"} for o in objectives],
        **{"trials": int((~trials["warm"]).sum()), "hours": None, "exhausted": False, "parallel": 4, "seed": 0},
        **{"repeats": 3, "datasets": ["STRING/mDC", "STRING/hHEP"], "reference": "full model"},
        **{"reference_digest": f"d{WARM}", "space": SPACE, "pareto": front if len(objectives) > 1 else []},
        "storage": "/home/somebody/out/search/optuna.log",
        "importances": [
            {"objective": o, "parameter": name, "importance": value, "trials": having[name], "given": condition}
            for o in objectives
            for name, (value, condition) in worth.items()
            if having[name] >= 10
        ],
    }


@pytest.fixture
def write_search(tmp_path: Path) -> Written:
    """Write the folder of a study with a search, changed as a test needs it; returns OUT."""

    def make(
        objectives: tuple[str, ...] = ("auroc",),
        budget: int = ASKED,
        openings: int = 0,
        change: Callable[[pd.DataFrame], pd.DataFrame] = lambda trials: trials,
        **record: Any,
    ) -> Path:
        folder = tmp_path / "out" / "search"
        folder.mkdir(parents=True, exist_ok=True)
        trials = change(trial_frame(objectives, budget))
        trials.to_csv(folder / "trials.csv", index=False)
        (folder / "search.json").write_text(json.dumps(search_record(trials, objectives) | record))
        if openings:
            confirmed_frame(trials, openings).to_csv(folder / "confirmed.csv", index=False)
        return tmp_path / "out"

    return make


def confirmed_frame(trials: pd.DataFrame, openings: int) -> pd.DataFrame:
    complete = trials[trials["state"] == "complete"].sort_values("objective:auroc", ascending=False)
    picked = [("full model", "reference", trials.iloc[WARM])]
    picked += [(row["arm"], "arm", row) for _, row in complete.head(2).iterrows()]
    rows = [
        {"arm": arm, "number": row["number"], "role": role, "metric": "auroc", "search": row["objective:auroc"]}
        | {"validation": row["objective:auroc"] - loss, "test": row["objective:auroc"] - loss - 0.01, "cells": 10}
        for (arm, role, row), loss in zip(picked, (0.002, 0.015, 0.012), strict=True)
    ]
    rows.append(
        {
            "arm": "degree",
            "number": None,
            "role": "control",
            "metric": "auroc",
            "validation": 0.7,
            "test": 0.69,
            "cells": 10,
        }
    )
    return pd.DataFrame(rows).assign(openings=openings).astype({"number": "Int64"})


def search_of(out: Path) -> Search:
    search = read_search(OutFolder(out).search)
    assert search is not None
    return search


class TestReading:
    def test_no_search_is_none(self, tmp_path: Path) -> None:
        assert read_search(SearchFolder(tmp_path)) is None
        assert read_tuning(tmp_path / "tuning.csv") is None

    def test_levels_called_none_stay_levels(self, write_search: Written) -> None:
        search = search_of(write_search())
        assert "none" in set(search.trials["param:gnn"])
        without = search.trials[search.trials["param:gnn"] == "none"]
        assert without[f"param:{HEADS}"].isna().all()

    @pytest.mark.parametrize(
        ("name", "damage", "message"),
        [
            ("search.json", lambda text: text[:-20], "not readable JSON"),
            ("search.json", lambda text: text.replace('"importances"', '"weights"'), "lacks 'importances'"),
            ("search.json", lambda text: text.replace("maximize", "maximise"), "Did you mean 'maximize'"),
            ("search.json", lambda text: text.replace('"parallel": 4', '"parallel": "4"'), "not a number"),
            (
                "search.json",
                lambda text: text.replace('"pareto": []', '"pareto": [999]'),
                "not a list of complete trials",
            ),
            ("trials.csv", lambda text: text.replace("state,", "outcome,", 1), "lacks the column 'state'"),
            (
                "trials.csv",
                lambda text: text.replace("pruned", "prund"),
                "unknown state 'prund'. Did you mean 'pruned'",
            ),
            ("trials.csv", lambda text: text.replace("objective:auroc", "objective:auprc"), "'objective:auroc'"),
            ("trials.csv", lambda text: text + text.splitlines()[-1] + "\n", "stands twice"),
            (
                "trials.csv",
                lambda text: re.sub(r"(0,complete,.*?,6,[\d.]+),[\d.]+", r"\1,", text),
                "trial 0 is complete",
            ),
            ("trials.csv", lambda text: text.replace(",True,", ",yes,"), "'warm'"),
            (
                "trials.csv",
                lambda text: re.sub(r",6,[\d.]+,", ",6,fast,", text, count=1),
                "'fast', not a finite number",
            ),
            ("trials.csv", lambda _: "", "not a readable table"),
            ("confirmed.csv", lambda text: text.replace("openings", "opened"), "'openings'"),
        ],
    )
    def test_a_damaged_file_is_named(
        self, write_search: Written, name: str, damage: Callable[[str], str], message: str
    ) -> None:
        file = write_search(openings=1) / "search" / name
        before = file.read_text()
        file.write_text(damage(before))
        assert file.read_text() != before
        with pytest.raises(ReportError) as refused:
            read_search(SearchFolder(file.parent))
        assert message in str(refused.value)
        assert str(file) in str(refused.value)

    def test_a_missing_table_is_named(self, write_search: Written) -> None:
        out = write_search()
        (out / "search" / "trials.csv").unlink()
        with pytest.raises(ReportError, match=r"trials\.csv.*missing"):
            read_search(OutFolder(out).search)


class TestNumbers:
    def test_the_best_so_far_is_that_of_complete_trials(self, write_search: Written) -> None:
        out = write_search()
        raw = pd.read_csv(out / "search" / "trials.csv")
        complete = raw["objective:auroc"].where(raw["state"] == "complete")
        expected = [complete.iloc[: i + 1].max() for i in range(len(raw))]
        np.testing.assert_allclose(best_so_far(search_of(out))["best_so_far"], expected)

    def test_a_cost_is_best_where_it_is_least(self, write_search: Written) -> None:
        out = write_search(("seconds", "auroc"))
        raw = pd.read_csv(out / "search" / "trials.csv")
        complete = raw[raw["state"] == "complete"].sort_values("objective:seconds")
        assert list(best_trials(search_of(out), 5)["number"]) == list(complete["number"].head(5))
        assert best_so_far(search_of(out))["best_so_far"].is_monotonic_decreasing

    def test_a_pruned_trial_is_never_the_best(self, write_search: Written) -> None:
        def flatter(trials: pd.DataFrame) -> pd.DataFrame:
            pruned = trials["state"] == "pruned"
            return trials.assign(**{"objective:auroc": trials["objective:auroc"].where(~pruned, 0.999)})

        search = search_of(write_search(change=flatter))
        assert best_trials(search).iloc[0]["state"] == "complete"
        assert best_so_far(search)["best_so_far"].max() < 0.99

    def test_arms_outside_of_the_space_are_not_compared_by_parameters(self, write_search: Written) -> None:
        def outside(trials: pd.DataFrame) -> pd.DataFrame:
            columns = [c for c in trials if c.startswith("param:")]
            trials.loc[trials["number"].isin([0, WARM]), columns] = None
            return trials

        out = write_search(change=outside)
        search = search_of(out)
        assert changes(search, search.trials.loc[0]) is None
        assert changes(search, search.trials.loc[WARM]) == []
        assert any(difference.startswith("gnn=") for difference in changes(search, search.trials.loc[1]) or [])
        assert "The reference lies outside of the space" in read(page_of(out, out / "report")).text

    def test_only_acting_parameters_that_differ_are_changes(self, write_search: Written) -> None:
        search = search_of(write_search())
        reference = search.of_reference
        assert reference is not None and reference["number"] == WARM
        assert changes(search, reference) == []
        for _, trial in search.trials.iterrows():
            changed = dict(change.split("=", 1) for change in changes(search, trial) or [])
            assert ("gnn" in changed) == (trial["param:gnn"] != "gat")
            assert not ({HEADS, "fusion"} & changed.keys()) or trial["param:gnn"] != "none"
            if HEADS in changed:
                assert changed[HEADS] == trial[f"param:{HEADS}"] != "4"

    @given(st.integers(2, 300))
    def test_more_trials_have_more_optimism(self, n: int) -> None:
        assert 0 < expected_maximum(n) < expected_maximum(n + 1)

    def test_optimism_is_that_of_drawn_maxima(self) -> None:
        drawn = np.random.default_rng(0).normal(size=(20_000, 50)).max(axis=1)
        assert expected_maximum(50) == pytest.approx(drawn.mean(), abs=0.02)
        assert expected_maximum(50) == pytest.approx(2.25, abs=0.01)
        assert expected_maximum(1) == 0


class TestSentences:
    def test_before_confirmation_the_test_is_sealed_and_the_best_no_result(self, write_search: Written) -> None:
        sentences = search_summary(search_of(write_search()))
        assert 2 <= len(sentences) <= 4
        text = " ".join(sentences)
        assert "The test is sealed: `knockout confirm` opens it once." in text
        assert "not a result: it is the maximum of" in text
        assert "optimism" not in text

    def test_pruned_trials_are_no_draws_at_the_maximum(self, write_search: Written) -> None:
        search = search_of(write_search(trials=40))
        complete, pruned = search.count("complete"), search.count("pruned")
        assert pruned and search.scores.notna().sum() == complete + pruned
        text = search_summary(search)[1]
        assert f"it is the maximum of {complete} noisy scores" in text
        assert f"about {expected_maximum(complete):.1f} standard deviations" in text
        assert f"pruning {pruned} trials on the way adds to that" in text

    def test_trials_are_counted_as_they_ended(self, write_search: Written) -> None:
        out = write_search(trials=40)
        states = pd.read_csv(out / "search" / "trials.csv")["state"].value_counts()
        text = search_summary(search_of(out))[0]
        assert f"{ASKED} of 40 trials asked for ended" in text
        assert f"{states['complete']} complete, {states['pruned']} pruned, {states['failed']} failed" in text
        assert f"{WARM} of them warm" in text

    def test_after_confirmation_the_gap_stands_beside_the_test(self, write_search: Written) -> None:
        out = write_search(openings=1)
        best = pd.read_csv(out / "search" / "confirmed.csv").iloc[1]
        text = " ".join(search_summary(search_of(out)))
        assert "sealed" not in text and "Warning" not in text
        assert "optimism gap of +0.015" in text
        assert f"{best['test']:.3f} on the test" in text
        assert "its own gap, without having been chosen: +0.002" in text

    def test_a_second_opening_is_warned_about(self, write_search: Written) -> None:
        search = search_of(write_search(openings=3))
        assert "the test was opened 3 times" in search_summary(search)[-1]
        assert [r.weight for r in search_refusals(search) if r.rule == "test opened"] == ["warning"]

    def test_a_best_arm_found_after_the_confirmation_is_not_called_confirmed(self, write_search: Written) -> None:
        out = write_search(openings=1)
        confirmed = pd.read_csv(out / "search" / "confirmed.csv").drop(index=1)
        confirmed.to_csv(out / "search" / "confirmed.csv", index=False)
        assert "was not confirmed" in search_summary(search_of(out))[2]

    def test_an_unfinished_confirmation_has_no_score(self, write_search: Written) -> None:
        out = write_search(openings=1)
        confirmed = pd.read_csv(out / "search" / "confirmed.csv")
        confirmed[["validation", "test"]] = np.nan
        confirmed.to_csv(out / "search" / "confirmed.csv", index=False)
        assert "has no score" in search_summary(search_of(out))[2]
        words = re.findall(
            r"\w+",
            re.sub(r"(?s)<script.*?</script>", "", page_of(out, out / "report").read_text()),
        )
        assert "nan" not in [word.lower() for word in words]

    def test_an_exhausted_space_and_hours_are_stated(self, write_search: Written) -> None:
        assert "2.5 h) ended" in search_summary(search_of(write_search(trials=None, hours=2.5)))[0]
        assert "the space holds no more arms" in search_summary(search_of(write_search(exhausted=True)))[0]

    def test_without_a_complete_trial_there_is_no_best(self, write_search: Written) -> None:
        out = write_search(change=lambda trials: trials[trials["state"] == "failed"])
        assert "No trial is complete" in search_summary(search_of(out))[1]
        assert "No trial is complete" in read(page_of(out, out / "report")).text


class TestThePageOfASearch:
    @pytest.fixture
    def page(self, write_search: Written) -> Path:
        out = write_search()
        return build_search(
            OutFolder(out).search, out / "report", provenance=Provenance(("knockout search study.yaml",))
        )

    def test_it_loads_nothing_and_names_no_machine(self, page: Path) -> None:
        html = page.read_text(encoding="utf-8")
        assert read(page).loads == []
        assert "somebody" not in html
        assert "search/optuna.log" in html
        assert "knockout search study.yaml" in html

    def test_it_shows_the_search_alone(self, page: Path) -> None:
        assert read(page).headings == ["Search", "How it was computed"]

    def test_every_figure_has_words_and_numbers(self, page: Path) -> None:
        html = page.read_text(encoding="utf-8")
        drawn = sorted(p.stem for p in (page.parent / "figures").glob("*.svg"))
        assert drawn == ["search_best_so_far", "search_expected_best", "search_importances_auroc"]
        assert html.count('<figure role="img" aria-label="') == len(drawn)
        assert "gnn 0.41" in html
        assert f"Left out, with fewer than 10 complete trials: {HEADS}." in html
        for name in drawn:
            assert not pd.read_csv(page.parent / "figures" / f"{name}.csv").empty

    def test_it_ranks_the_ten_best(self, page: Path) -> None:
        raw = pd.read_csv(page.parents[1] / "search" / "trials.csv")
        complete = raw[raw["state"] == "complete"].sort_values("objective:auroc", ascending=False, kind="stable")
        exported = pd.read_csv(page.parent / "tables" / "search_best_trials.csv")
        assert list(exported["number"]) == list(complete["number"].head(10))
        assert f"{complete['objective:auroc'].iloc[9]:.3f}" in read(page).text

    def test_the_space_is_listed(self, page: Path) -> None:
        text = read(page).text
        assert all(entry["name"] in text and entry["range"] in text for entry in SPACE)

    def test_importances_of_few_trials_are_withheld(self, write_search: Written) -> None:
        out = write_search(change=lambda trials: trials[trials["number"] < 9])
        page = page_of(out, out / "report")
        complete = search_of(out).count("complete")
        assert complete < 10
        assert f"Needs at least 10 complete trials; here {complete}." in read(page).text
        assert not list((page.parent / "figures").glob("*importances*"))

    def test_a_search_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ReportError, match=r"search/search\.json"):
            page_of(tmp_path, tmp_path / "report")

    def test_a_search_without_trials_has_a_page(self, write_search: Written) -> None:
        out = write_search(change=lambda trials: trials.iloc[:0])
        assert "No trial is complete" in read(page_of(out, out / "report")).text

    def test_hostile_names_are_text(self, write_search: Written) -> None:
        name = "<script>alert(1)</script> $x$"
        out = write_search(openings=1, reference=name, storage="postgresql://me:secret@host/db")
        confirmed = pd.read_csv(out / "search" / "confirmed.csv").replace("full model", name)
        confirmed.to_csv(out / "search" / "confirmed.csv", index=False)
        page = page_of(out, out / "report")
        assert read(page).tags.count("script") == 1  # the page's own
        assert name in read(page).text
        assert "secret" not in page.read_text() and "postgresql://host/db" in page.read_text()

    def test_the_same_search_gives_the_same_page(self, write_search: Written, tmp_path: Path) -> None:
        out = write_search(("auroc", "seconds"))
        assert page_of(out, tmp_path / "a").read_bytes() == page_of(out, tmp_path / "b").read_bytes()


class TestSeveralObjectives:
    def test_the_front_is_drawn_and_listed(self, write_search: Written) -> None:
        out = write_search(("auroc", "seconds", "parameters"))
        page = page_of(out, out / "report")
        search = search_of(out)
        exported = pd.read_csv(page.parent / "tables" / "search_pareto.csv")
        assert set(exported["number"]) == set(search.front)
        assert exported["objective:auroc"].is_monotonic_decreasing
        points = pd.read_csv(page.parent / "figures" / "search_pareto_seconds.csv")
        assert len(points) == search.count("complete")
        assert set(points[points["front"]]["number"]) == set(search.front)
        assert (page.parent / "figures" / "search_pareto_parameters.svg").is_file()
        assert f"{len(search.front)} trials on the Pareto front" in read(page).text


class TestInsideTheReportOfAStudy:
    def test_findings_come_first_then_the_search(
        self, study: Callable[..., Table], write_search: Written, tmp_path: Path
    ) -> None:
        page = write(analyse(study(blocks=2)), tmp_path / "page", search=search_of(write_search(openings=2))).page
        html = page.read_text(encoding="utf-8")
        assert html.index('class="verdicts"') < html.index('id="search"') < html.index('id="refusals"')
        assert read(page).text.count("The test was opened 2 times") == 2  # where it is read, and among the warnings
        exported = pd.read_csv(page.parent / "tables" / "search_confirmed.csv")
        np.testing.assert_allclose(exported["gap"], exported["search"] - exported["validation"])
        tex = (page.parent / "tables" / "search_confirmed.tex").read_text()
        assert r"\toprule" in tex and "+0.015" in tex

    def test_tuning_stands_before_the_details(self, study: Callable[..., Table], tmp_path: Path) -> None:
        file = tuning_file(tmp_path)
        page = write(analyse(study(blocks=2)), tmp_path / "page", tuning=read_tuning(file)).page
        headings = read(page).headings
        assert headings.index("Tuning") < headings.index("All comparisons over independent blocks")
        assert (page.parent / "tables" / "tuning.csv").is_file()
        assert "it kept its untuned settings" in read(page).text

    def test_every_tuned_arm_has_its_curve(self, study: Callable[..., Table], tmp_path: Path) -> None:
        scores = {"full": "0.8 0.86 nan", "gnn=none": "0.7 0.81 0.79", "noise": "0.5 0.5 0.52"}
        file = tuning_file(tmp_path)
        pd.read_csv(file).assign(trial_scores=lambda t: t["arm"].map(scores)).to_csv(file, index=False)
        page = write(analyse(study(blocks=2)), tmp_path / "page", tuning=read_tuning(file)).page
        drawn = pd.read_csv(page.parent / "figures" / "tuning_expected_best.csv")
        assert drawn.groupby("arm", sort=False)["trials"].max().to_dict() == dict.fromkeys(scores, 3)
        assert drawn["expected"].tolist()[:2] == pytest.approx([2.46 / 3, (4 * 0.8 + 5 * 0.86) / 9])
        assert (page.parent / "figures" / "tuning_expected_best.svg").is_file()
        assert "Expected best validation AUROC of every tuned arm" in read(page).text

    def test_the_table_of_warnings_has_those_of_search_and_tuning(
        self, study: Callable[..., Table], tmp_path: Path, write_search: Written
    ) -> None:
        tuning, search = read_tuning(tuning_file(tmp_path, **{"gnn=none": {"trials": 12}})), write_search(openings=2)
        page = write(analyse(study(blocks=2)), tmp_path / "page", search=search_of(search), tuning=tuning).page
        assert {"unequal tuning", "test opened"} <= set(pd.read_csv(page.parent / "tables" / "refusals.csv")["rule"])

    def test_without_a_search_nothing_is_added(self, study: Callable[..., Table], tmp_path: Path) -> None:
        page = write(analyse(study(blocks=2)), tmp_path / "page").page
        assert not {"Search", "Tuning"} & set(read(page).headings)
        assert not list((page.parent / "tables").glob("search*"))


def tuning_file(folder: Path, **changes: dict[str, Any]) -> Path:
    """Write a tuning of equal budgets; ``changes`` holds columns by arm."""
    rows = {
        "full": ("reference", 20, 20, 14, 5, 1, 0.871, 0.842, f"{HEADS}=5, {RATE}=0.003"),
        "gnn=none": ("arm", 20, 20, 15, 4, 1, 0.812, 0.803, f"{RATE}=0.0021"),
        "fusion=early": ("arm", 20, 20, 0, 0, 20, None, None, ""),
        "noise": ("control", 20, 20, 20, 0, 0, 0.52, 0.5, f"{RATE}=0.01"),
        "degree": ("control", 0, 0, 0, 0, 0, None, None, None),
    }
    columns = ["role", "budget", "trials", "complete", "pruned", "failed", "score", "default", "settings"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("arm")
    for arm, change in changes.items():
        for column, value in change.items():
            table.loc[arm, column] = value
    table.reset_index().to_csv(folder / "tuning.csv", index=False)
    return folder / "tuning.csv"


class TestTuning:
    def tuned(self, folder: Path, **changes: dict[str, Any]) -> pd.DataFrame:
        table = read_tuning(tuning_file(folder, **changes))
        assert table is not None
        return table

    def test_equal_budgets_need_no_warning(self, tmp_path: Path) -> None:
        table = self.tuned(tmp_path)
        assert tuning_refusals(table) == ()
        assert "4 arms got a budget of 20 trials each" in tuning_sentence(table)
        assert "1 arm had nothing to tune" in tuning_sentence(table)

    @pytest.mark.parametrize("change", [{"trials": 12}, {"budget": 40}])
    def test_unequal_tuning_is_warned_of(self, tmp_path: Path, change: dict[str, Any]) -> None:
        (warning,) = tuning_refusals(self.tuned(tmp_path, **{"gnn=none": change}))
        assert (warning.rule, warning.weight) == ("unequal tuning", "warning")
        assert f"{next(iter(change.values()))} (gnn=none)" in warning.message

    def test_an_untuned_arm_beside_a_tuned_reference_is_warned_of(self, tmp_path: Path) -> None:
        (warning,) = tuning_refusals(self.tuned(tmp_path, **{"gnn=none": {"budget": 0, "trials": 0}}))
        assert "gnn=none was not" in warning.message

    def test_a_budget_in_hours_has_no_number(self, tmp_path: Path) -> None:
        hours = {arm: {"budget": None} for arm in ("full", "gnn=none", "fusion=early", "noise")}
        table = self.tuned(tmp_path, **hours)
        assert "a budget of hours" in tuning_sentence(table)
        assert tuning_refusals(table) == ()

    def test_rules_alone_have_no_tuning(self, tmp_path: Path) -> None:
        file = tmp_path / "tuning.csv"
        file.write_text("arm,role,budget,trials,complete,pruned,failed\npcc,reference,0,0,0,0,0\n")
        table = read_tuning(file)
        assert table is not None
        assert tuning_sentence(table).startswith("No arm was tuned")
        assert tuning_refusals(table) == ()

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        file = tuning_file(tmp_path)
        file.write_text(file.read_text().replace(",20,20,14", ",20,many,14"))
        with pytest.raises(ReportError, match=r"tuning\.csv, row 2: trials is 'many'"):
            read_tuning(file)


class TestOptionsWhileTheTestIsSealed:
    """No option of `knockout report` is ignored on a search that is not confirmed."""

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--metric", "auprc"], "--metric: this search was judged by auroc, not 'auprc'"),
            (["--reference", "other"], "--reference: the reference of this search is 'full model', not 'other'"),
            (["--alpha", "0.01"], "--alpha: the test of this search is sealed"),
            (["--margin", "0.02", "--draw", "*"], "and --margin and --draw cannot act"),
            (["--arm", "arm"], "--arm: the test"),
            (["--block", "cell"], "--block: the test"),
            (["--dataset", "cell"], "--dataset: the test"),
        ],
    )
    def test_what_cannot_act_is_refused(
        self, write_search: Written, knockout: Any, options: list[str], message: str
    ) -> None:
        out = write_search()
        completed = knockout("report", out, *options)
        assert completed.code == 2 and message in completed.err and not (out / "search" / "report").exists()

    def test_what_agrees_is_taken(self, write_search: Written, knockout: Any, tmp_path: Path) -> None:
        out, page = write_search(), tmp_path / "page"
        completed = knockout("report", out, "--metric", "AUC-ROC", "--reference", "full model", "--out", page)
        assert completed.code == 0, completed.err
        assert (page / "report.html").exists() and not (out / "search" / "report").exists()
