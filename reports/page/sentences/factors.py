"""What the factors do together, in words: main effects and interactions on the primary metric."""

from __future__ import annotations

from math import isfinite
from typing import Any

from reports.findings.factorial import Factorial
from reports.findings.results import Analysis
from reports.words.numbers import count, joined, number, p_value

Row = dict[str, Any]
Interaction = tuple[str, str]  # the numbers, the conclusion


def analysed(a: Analysis) -> Factorial | None:
    """Return what the factors do together on its primary metric; None where that was refused."""
    return next((f for f in a.factorials if f.metric == a.metric and not f.message), None)


def main_effect(a: Analysis, factor: str) -> str:
    """Say what one factor does over all levels of the others; nothing where that was not analysed."""
    whole = analysed(a)
    mine = next((row for row in _rows(whole) if row["effect"] == factor), None) if whole else None
    if whole is None or mine is None:
        return ""
    over = "Averaged over the other factors" if whole.method == "RM-ANOVA" else "Given the other factors"
    return f"{over}: {_numbers(mine)} over {count(_blocks(whole, mine), 'block')}."


def interactions(a: Analysis) -> list[Interaction]:
    """Conclude on every interaction; those that are not established share one line."""
    whole = analysed(a)
    rows = [row for row in _rows(whole) if " × " in row["effect"]] if whole else []
    established = [row for row in rows if row["p_holm"] < a.alpha]
    rest = [row for row in rows if row["p_holm"] >= a.alpha]
    out = [(f"{row['effect']} ({_numbers(row)})", "established") for row in established]
    if rest:
        least = "" if len(rest) == 1 else "smallest "
        p = p_value(min(row["p_holm"] for row in rest))
        out.append((f"{joined([row['effect'] for row in rest], 7)} ({least}adjusted p = {p})", "cannot tell"))
    return out


def established_effects(a: Analysis) -> str:
    """Say which effects of factors a study established over all its arms; nothing where there are none."""
    whole = analysed(a)
    sure = [row["effect"] for row in _rows(whole) if row["p_holm"] < a.alpha] if whole else []
    if whole is None or not sure:
        return ""
    verb = "is" if len(sure) == 1 else "are"
    return f" Over all arms together {joined(sure)} {verb} established ({method_of(whole)})."


def together(a: Analysis) -> str:
    """Say for a methods section how the factors were analysed together; nothing where they were not."""
    able = [f for f in a.factorials if not f.message]
    out = []
    if any(f.method == "RM-ANOVA" for f in able):
        text = "Factors were analysed together by a repeated-measures ANOVA of block means (Greenhouse-Geisser, Holm's "
        text += "correction over effects)"
        simple = any(not f.simple.empty for f in able)
        out.append(f"{text}{'; simple effects followed an interaction (Wilcoxon, Holm)' if simple else ''}.")
    if any(f.method == "flipped signs" for f in able):
        text = (
            "Where not every combination of levels was run in every block, effects of factors were tested by flipping "
        )
        text += (
            "the signs of whole blocks (Holm's correction over effects); cells not run were taken as missing at random."
        )
        out.append(text)
    return " ".join(out)


def method_of(whole: Factorial) -> str:
    """Name the test behind what is said of the factors together."""
    if whole.method == "RM-ANOVA":
        return f"repeated-measures ANOVA over {count(whole.blocks, 'complete block')}"
    return f"not everything was run, so the signs of whole blocks were flipped ({count(whole.blocks, 'block')})"


def _rows(whole: Factorial) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in whole.effects.to_dict("records")]


def _numbers(row: Row) -> str:
    size = ""
    if "epsilon" in row:
        f = number(row["f"], 2) if isfinite(row["f"]) else "∞"
        size = f"F({row['df']:g}, {row['df_error']:g}) = {f}, "
    return f"{size}adjusted p = {p_value(row['p_holm'])}"


def _blocks(whole: Factorial, row: Row) -> int:
    return int(row.get("blocks", whole.blocks))
