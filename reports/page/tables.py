"""Every table twice: all digits as CSV, and set for a paper as LaTeX (booktabs)."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.findings.results import Analysis, Finding, Paired
from reports.findings.summaries import TALL, best_two
from reports.words.metrics import label
from reports.words.names import file_name
from reports.words.numbers import amount, confidence, interval, number, p_value, signed

_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


_COMMANDS = {
    "−": "$-$",
    "±": r"$\pm$",
    "–": "--",
    "χ²": r"$\chi^2$",
    "η²": r"$\eta^2$",
    "ε": r"$\varepsilon$",
    "∞": r"$\infty$",
    "→": r"$\to$",
}


STAR = "\x1f"  # behind an arm's name, of which none holds it: established at alpha, .01, .001


def latex(text: pd.DataFrame, caption: str, name: str) -> str:
    """Set strings as a booktabs table; names are escaped here, cells are already LaTeX."""
    style = text.map(_minus).style
    for axis in (0, 1):  # marks are set after the names are escaped
        style = style.format_index(_starred, escape="latex", axis=axis)
    columns = "l" * text.index.nlevels + "r" * text.shape[1]
    table = style.to_latex(
        hrules=True,
        column_format=columns,
        position_float="centering",
        caption=caption.replace("%", r"\%"),
        label=f"tab:{name}",
        multirow_align="naive",
    )
    # a table wider than its column is shrunk to it, and no other
    table = table.replace(r"\begin{tabular}", _FITTED + "\n" + r"\begin{tabular}")
    table = table.replace(r"\end{tabular}", r"\end{tabular}}")
    return f"% \\usepackage{{booktabs, graphicx}}\n{table}"


def latex_rows(rows: dict[Any, dict[str, str]], caption: str, name: str) -> str:
    """Set rows of strings, by what stands before them, as :func:`latex` does; nothing where there are none."""
    return latex(pd.DataFrame.from_dict(rows, orient="index"), caption, name) if rows else ""


def _starred(name: object) -> str:
    return _signs(re.sub(f"{STAR}+", lambda match: f"$^{{{'*' * len(match.group())}}}$", str(name)))


def _signs(text: str) -> str:
    for sign, command in _COMMANDS.items():
        text = text.replace(sign, command)
    return text


def _minus(cell: str) -> str:
    return _signs(re.sub(r"^(\d(?:\.\d+)?)e-0?(\d+)$", r"$\1\\times10^{-\2}$", cell))


@dataclass(frozen=True)
class Export:
    """One table: numbers for CSV, and finished LaTeX where a paper would print it."""

    name: str
    numbers: pd.DataFrame
    tex: str = ""


def exports(analysis: Analysis) -> list[Export]:
    """Collect the tables of the report."""
    out = [_scores(analysis, metric) for metric in analysis.metrics]
    out += [
        _findings(analysis),
        Export("gain_over_strongest_control", _pair_rows(analysis.gains), _gains(analysis)),
        Export("paired_over_repeats", _pair_rows(analysis.paired), _paired(analysis)),
        _globals(analysis),
        Export("refusals", pd.DataFrame([asdict(r) for r in analysis.refusals])),
        Export("completeness", analysis.completeness),
        Export("gain_over_other_features", _pair_rows(analysis.feature_gains)),
    ]
    if len(analysis.averages):
        out.append(Export("averages", analysis.averages))
    if not analysis.costs.empty:
        caption = "What every arm cost, and how far it lies from the reference over blocks."
        numbers = analysis.costs.assign(mean_difference=analysis.costs["arm"].map(_differences(analysis)))
        out.append(Export("costs", numbers, latex(cost_table(analysis), caption, "costs")))
    for test in analysis.globals:
        for name, p in (("nemenyi", test.nemenyi), ("conover", test.conover)):
            if p is not None:
                out.append(Export(f"{name}_{test.metric}", p.rename_axis("arm").reset_index()))
    return out


def cost_table(a: Analysis) -> pd.DataFrame:
    """Write what every arm cost beside what it changes on the primary metric, ``[arms, costs]``."""
    text = a.costs.set_index("arm").rename_axis(None).map(amount)
    changed = _differences(a)
    if changed:
        text[f"{label(a.metric)} difference"] = [signed(changed[arm]) if arm in changed else "–" for arm in text.index]
    return text


def _differences(a: Analysis) -> dict[str, float]:
    own = [f for f in a.findings if f.metric == a.metric and f.against == a.reference]
    return {f.arm: f.effect.mean for f in own if f.effect}


def _scores(a: Analysis, metric: str) -> Export:
    data = a.scores[a.scores["metric"] == metric]
    arms = [arm for arm in a.arms if arm in set(data["arm"])]
    text = pd.DataFrame(index=arms)
    for dataset, rows in data.groupby("dataset"):
        marks = best_two(rows.set_index("arm")["mean"])
        by_arm = {row["arm"]: row for row in rows.to_dict("records")}
        text[dataset] = [_scored(by_arm[arm], marks.get(arm, "")) for arm in arms]
    for network, rows in a.averages[a.averages["metric"] == metric].groupby("network", sort=False):
        mean = rows.set_index("arm")["mean"]
        marks = best_two(mean)
        text[f"Mean of {network}"] = [_marked(mean.get(arm, np.nan), marks.get(arm, "")) for arm in arms]
    stars_of, meaning = _stars(a, metric)
    text = text.rename(index={arm: f"{arm}{mark}" for arm, mark in stars_of.items()})
    text = text.T if text.shape[1] > TALL else text
    spread = ", mean $\\pm$ sd over repeats" if a.repeats > 1 else ""
    caption = f"{label(metric)}{spread}; best bold, second underlined.{meaning}"
    name = f"scores_{metric}"
    return Export(name, data, latex(text, caption, file_name(name)))


def _stars(a: Analysis, metric: str) -> tuple[dict[str, str], str]:
    """Mark the arms that are established to differ from the reference, over blocks; and say what marks mean."""
    if a.reference is None:
        return {}, ""
    levels = [a.alpha, *(level for level in (0.01, 0.001) if level < a.alpha)]  # of one, two and three stars
    established = [f for f in a.findings if f.metric == metric and f.verdict in ("higher", "lower")]
    marks = {f.arm: STAR * max(1, sum(f.p < level for level in levels)) for f in established if f.p is not None}
    used = range(1, max(map(len, marks.values()), default=0) + 1)
    meaning = ", ".join(f"$^{{{'*' * n}}}$ $p < {levels[n - 1]:g}$" for n in used)
    return marks, f" Differs from the reference over blocks, max-T: {meaning}." if marks else ""


def _scored(row: dict[Hashable, Any], mark: str) -> str:
    if not np.isfinite(row["mean"]):
        return "failed" if row["failed"] else "--"
    return _marked(row["mean"], mark) + (f" ± {number(row['sd'])}" if np.isfinite(row["sd"]) else "")


def _marked(mean: float, mark: str) -> str:
    text = number(mean)
    return {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}.get(mark, text)


def finding_rows(compared: tuple[Finding, ...]) -> pd.DataFrame:
    """Spread the findings over columns, one row each, every number with all its digits."""
    rows = []
    for f in compared:
        size, beside = asdict(f.effect) if f.effect else {}, f.sensitivity
        rows.append(
            {
                **comparison_names(f),
                "blocks": size.pop("n", 0),
                **{("mean_difference" if key == "mean" else key): value for key, value in size.items()},
                "p_max_t": f.decision.p,
                "p_max_t_failures_worst": f.decision.p_failures,
                "sensitivity": beside.signed.method if beside else "",
                "statistic": beside.signed.statistic if beside else np.nan,
                "p_sensitivity": beside.signed.p if beside else np.nan,
                "p_sensitivity_holm": beside.p_holm if beside else np.nan,
                "p_t_holm": beside.p_t_holm if beside else np.nan,
                "blocks_with_failures": f.failures,
                "dropped": "; ".join(f"{d.block} ({', '.join(d.arms)} {d.why})" for d in f.dropped),
                "verdict": f.verdict,
            }
        )
    return pd.DataFrame(rows)


def comparison_names(f: Finding) -> dict[str, str]:
    """Return the columns of a table file that say what was compared."""
    return {"metric": f.metric, "family": f.family, "arm": f.arm, "against": f.against}


def _findings(a: Analysis) -> Export:
    level = confidence(a.alpha)
    rows = {
        (label(f.metric), f"{f.arm} − {f.against}"): {
            "N": str(f.effect.n),
            "difference": signed(f.effect.mean),
            f"{level} interval": interval(f.effect.low, f.effect.high) if np.isfinite(f.effect.low) else "–",
            "P(A>B)": number(f.effect.superior, 2),
            "p": p_value(f.p),
            "verdict": f.verdict,
        }
        for f in a.findings
        if f.effect is not None
    }
    caption = f"Paired differences over blocks, mean and simultaneous {level} interval. Two-sided step-down max-T on "
    caption += f"{label(a.metric)}, signs of whole blocks flipped jointly; other metrics are described"
    caption += ", failed cells scored as worst." if any(f.failures for f in a.findings) else "."
    return Export("findings", finding_rows(a.findings), latex_rows(rows, caption, "findings"))


def _pair_rows(pairs: Sequence[Paired]) -> pd.DataFrame:
    """Spread what single data sets show over columns, the test of each difference included."""
    none = {"test": "", "p": np.nan, "statistic": np.nan}
    tests = [{"test": t.method, "p": t.p, "statistic": t.statistic} if (t := pair.test) else none for pair in pairs]
    return pd.DataFrame([asdict(pair) | test for pair, test in zip(pairs, tests, strict=True)])


def _paired(a: Analysis) -> str:
    rows = {
        (label(p.metric), p.dataset, f"{p.arm} - {p.against}"): {
            "difference": signed(p.mean),
            "interval": interval(p.low, p.high),
            "repeats": str(p.repeats),
            "p": p_value(p.test.p if p.test else None),
            "Holm p": p_value(p.p_holm),
        }
        for p in a.paired
        if not p.note
    }
    caption = "Paired differences over repeats of one data set; they say nothing about another data set."
    return latex_rows(rows, caption, "paired") if len(a.blocks) == 1 else ""


def _gains(a: Analysis) -> str:
    # the strongest control is named inside a cell, so it is an index level here: only those are escaped
    rows = {
        (label(g.metric), g.dataset, g.against): {
            "gain": signed(g.mean),
            "interval": interval(g.low, g.high),
            "repeats": str(g.repeats),
        }
        for g in a.gains
    }
    return latex_rows(rows, "Gain over the strongest control; intervals over repeats of one data set.", "gains")


def _globals(a: Analysis) -> Export:
    rows = [{"metric": g.metric, **asdict(g.test), "p": g.test.p, "method": g.test.method} for g in a.globals]
    text = {
        label(g.metric): {
            "N": str(g.test.blocks),
            "k": str(g.test.arms),
            "χ²": number(g.test.chi2, 2),
            "p": p_value(g.test.p),
            "W": number(g.test.kendalls_w),
        }
        for g in a.globals
    }
    caption = "Friedman test over independent blocks; p by permutation below 10 blocks, else Iman--Davenport."
    return Export("global_test", pd.DataFrame(rows), latex_rows(text, caption, "global"))
