"""The report as files: one self-contained page, tables and figures with their numbers, all or nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from conftest import ARMS, build, study_frame

import reports.build as build_module
from reports.build import write
from reports.errors import ReportError
from reports.findings.analysis import analyse
from reports.options import Provenance, ReportOptions
from reports.table.table import Table, load

Study = Callable[..., Table]
HIDDEN = {".report.json", ".report.lock"}
HOSTILE = "<script>alert(1)</script> & 50%_$x$"


class Page(HTMLParser):
    """Collects what a browser would load, the headings and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.headings: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [
            v for k, v in attrs if v and k in ("src", "href", "xlink:href", "srcset", "data") and not v.startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.headings.append(data.strip())
        self.text += data


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with figures, written once. Read it."""
    folder = tmp_path_factory.mktemp("built")
    study_frame(failed={("fusion=early", "cell3")}).to_parquet(folder / "cells.parquet")
    typed = ("knockout run a.yaml --out out", "knockout report out")
    return build(load(folder / "cells.parquet"), folder / "out", provenance=Provenance(typed, "0123abc"))


def test_figures_are_pdf_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "pdf", lambda figure: b"%PDF-1.4 in name only")
    study_frame().to_parquet(tmp_path / "cells.parquet")
    analysis = analyse(load(tmp_path / "cells.parquet"))
    for as_pdf in (True, False):  # a picture of an earlier report is not left beside the new one
        page = write(analysis, tmp_path / "out", as_pdf=as_pdf).page
        names, pdfs = ({p.stem for p in (page.parent / "figures").glob(f"*.{kind}")} for kind in ("svg", "pdf"))
        assert names and pdfs == (names if as_pdf else set())
        assert (".svg .pdf .csv" in page.read_text(encoding="utf-8")) == as_pdf


def test_the_page_loads_nothing(built: Path) -> None:
    page = read(built)
    assert page.loads == []
    assert page.tags.count("script") == 1  # the page's own, inline
    assert not {"link", "iframe", "img", "object"} & set(page.tags)
    assert not re.search(r"url\(\s*['\"]?(?!#)", built.read_text(encoding="utf-8"))
    assert "@import" not in built.read_text(encoding="utf-8")


def test_the_first_screen_is_sentences_a_picture_and_a_table(built: Path) -> None:
    html = built.read_text(encoding="utf-8")
    order = [html.index(part) for part in ('class="lead"', "<figure", 'class="verdicts"', '<details class="fold"')]
    assert order == sorted(order)
    head = html[: order[-1]]
    assert head.count("<figure") == 1 and head.count("<table") == 1
    for part in ("gnn: gat → none", "earns its keep", "Worst block", "full beats the strongest control"):
        assert part in head


def test_everything_below_the_first_screen_is_folded(built: Path) -> None:
    html = built.read_text(encoding="utf-8")
    body = html[html.index("<main>") :]
    assert body.count("<section id=") == body.count('<details class="fold">') >= 8
    assert "<details open" not in body and "<h2></h2>" not in body


def test_the_markdown_states_the_same(built: Path) -> None:
    text = (built.parent / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# What each part of full is worth\n")
    assert "| gnn: gat → none | −0.0" in text and "earns its keep" in text and "&" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1


def test_the_page_shows_failures_with_reasons_and_the_command(built: Path) -> None:
    text = read(built).text
    assert "oom: out of memory on lane 0" in text
    assert "3 of 3 failed" in text
    assert "0 ok, 3 failed" in text and "3 ok" in text
    assert "knockout run a.yaml --out out\nknockout report out" in text
    assert "git commit 0123abc" in text
    assert "torch 2.15.0" in text and "budget-1" in text


def test_every_figure_has_words_and_numbers(built: Path) -> None:
    html = built.read_text(encoding="utf-8")
    drawn = sorted((built.parent / "figures").glob("*.svg"))
    assert len(drawn) >= 6
    assert html.count('<figure role="img" aria-label="') == len(drawn)
    for figure in drawn:
        assert not pd.read_csv(figure.with_suffix(".csv")).empty


def test_tables_are_written_for_machines_and_papers(built: Path) -> None:
    folder = built.parent / "tables"
    findings = pd.read_csv(folder / "findings.csv")
    assert {"blocks", "statistic", "p_max_t", "p_sensitivity_holm", "family", "mean_difference", "low", "high"} <= set(
        findings
    )
    tex = (folder / "scores_auroc.tex").read_text(encoding="utf-8")
    for part in (r"\toprule", r"\bottomrule", r"\textbf{", r"\underline{", r"$\pm$", "failed"):
        assert part in tex


def test_a_latex_table_fits_its_column_and_has_no_sign_that_latex_lacks(built: Path) -> None:
    for path in sorted((built.parent / "tables").glob("*.tex")):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("% \\usepackage{booktabs, graphicx}") and r"\centering" in text
        assert text.count(r"\resizebox") == text.count(r"\end{tabular}}") == 1
        assert text.isascii(), path
        assert not re.search(r"(?<!\\)%(?! \\use)(?!\n)", text), path
    assert r"$\chi^2$" in (built.parent / "tables" / "global_test.tex").read_text(encoding="utf-8")


def test_terms_of_what_a_report_does_not_hold_are_left_out(study: Study, tmp_path: Path) -> None:
    page = build(study(blocks=2), tmp_path).read_text(encoding="utf-8")
    assert 'data-term="Wilcoxon"' in page
    assert not [term for term in ("RM-ANOVA", "Flipped signs", "Nemenyi") if f'data-term="{term}"' in page]


def test_what_an_arm_costs_stands_beside_what_it_changes(built: Path) -> None:
    folder = built.parent / "tables"
    changed = pd.read_csv(folder / "costs.csv").set_index("arm")["mean_difference"]
    differences = pd.read_csv(folder / "findings.csv").query("metric == 'auroc'").set_index("arm")["mean_difference"]
    assert pd.isna(changed["full"]) and changed.drop("full").to_dict() == pytest.approx(differences.to_dict())
    assert "AUROC difference" in read(built).text


def test_every_latex_row_has_the_columns_it_declares(built: Path) -> None:
    for path in sorted((built.parent / "tables").glob("*.tex")):
        text = path.read_text(encoding="utf-8")
        declared = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
        assert declared is not None, path
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 2
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(declared.group(1))}, path
        assert "multirow" not in text


@pytest.mark.slow
def test_the_same_table_gives_the_same_page(study: Study, tmp_path: Path, drawn: None) -> None:
    one = build(study(blocks=2), tmp_path / "a").read_text(encoding="utf-8")
    other = build(study(blocks=2), tmp_path / "b").read_text(encoding="utf-8")
    assert one == other


@pytest.mark.slow
def test_hostile_names_are_text_everywhere(study: Study, tmp_path: Path) -> None:
    arms = {**ARMS, HOSTILE: ("arm", 0.7)}
    page = build(study(arms=arms), tmp_path / "out", provenance=Provenance((HOSTILE,)))
    assert read(page).tags.count("script") == 1  # the page's own
    assert HOSTILE in read(page).text
    tex = (page.parent / "tables" / "scores_auroc.tex").read_text(encoding="utf-8")
    assert r"\& 50\%\_\$x\$" in tex


@pytest.mark.slow
def test_a_crash_leaves_the_old_report_whole(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    before = build(study(blocks=2), out).read_bytes()
    (out / "keep.txt").write_text("the ledger lives here")
    monkeypatch.setattr(build_module, "_render", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(study(blocks=3), out)
    assert (out / "report.html").read_bytes() == before
    assert {p.name for p in out.iterdir()} - HIDDEN == {"figures", "keep.txt", "report.html", "report.md", "tables"}
    with pytest.raises(ZeroDivisionError):
        build(study(blocks=3), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_second_report_replaces_the_first(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(study(blocks=7), out)
    build(study(blocks=2), out)
    assert not (out / "tables" / "nemenyi_auroc.csv").exists()


def test_a_file_of_ones_own_is_neither_replaced_nor_removed(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "paper"
    (out / "tables").mkdir(parents=True)
    mine = out / "tables" / "mine.parquet"
    shutil.copy(study(blocks=2).source, mine)
    before = mine.read_bytes()
    build(load(mine), out)
    (out / "tables" / "findings.csv").write_text("mine")
    with pytest.raises(ReportError, match=r"findings\.csv: this file was not written by an earlier report"):
        build(load(mine), out)
    assert mine.read_bytes() == before and (out / "tables" / "findings.csv").read_text() == "mine"


@pytest.mark.slow
def test_a_table_that_an_earlier_report_wrote_is_not_replaced_while_it_is_read(study: Study, tmp_path: Path) -> None:
    page = build(study(blocks=2), tmp_path / "out")
    scores = page.parent / "tables" / "averages.csv"
    before = scores.read_bytes()
    with pytest.raises(ReportError, match=r"averages\.csv: the report is made of this table"):
        build(load(scores, ReportOptions(metric="mean", arm="arm", block="metric", dataset="network")), page.parent)
    assert scores.read_bytes() == before


@pytest.mark.slow
def test_reporting_needs_neither_torch_nor_optuna_nor_mlflow() -> None:
    code = (
        "import sys, reports, reports.build, reports.page.sentences\n"
        "bad = {'torch', 'optuna', 'mlflow', 'components', 'study', 'search_spaces'} & set(sys.modules)\n"
        "sys.exit(', '.join(bad) or 0)"
    )
    completed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr


def test_one_block_shows_its_repeats_and_no_table_over_blocks(study: Study, tmp_path: Path) -> None:
    text = read(build(study(blocks=1), tmp_path / "out")).text
    assert "All comparisons over independent blocks" not in text
    assert "not evidence across data sets" in text and "the design cannot tell" in text
