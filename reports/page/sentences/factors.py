"""What the factors do together, in words: interactions on the primary metric, and the methods."""

from __future__ import annotations

from reports.findings.results import Analysis
from reports.words.numbers import joined, p_value


def interactions(a: Analysis) -> list[str]:
    """Say of every interaction whether what one factor is worth depends on another, on the primary metric."""
    whole = next((f for f in a.factorials if f.metric == a.metric and not f.message), None)
    rows = [row for row in whole.effects.to_dict("records") if " × " in row["effect"]] if whole else []
    out = [
        f"{row['effect']} interact (adjusted p = {p_value(row['p_holm'])}): what one is worth depends on the other."
        for row in rows
        if row["p_holm"] < a.alpha
    ]
    rest = [row for row in rows if row["p_holm"] >= a.alpha]
    if rest:
        least = "" if len(rest) == 1 else "smallest "
        p = p_value(min(row["p_holm"] for row in rest))
        named = joined([row["effect"] for row in rest], 7)
        out.append(f"Whether {named} interact, the data cannot tell ({least}adjusted p = {p}).")
    return out


def together(a: Analysis) -> str:
    """Say for a methods section how the factors were analysed together; nothing where they were not."""
    able = [f for f in a.factorials if not f.message]
    out = []
    if any(f.method == "RM-ANOVA" for f in able):
        text = "Factors were analysed together by a repeated-measures ANOVA of block means (Greenhouse-Geisser, Holm's "
        text += "correction over effects)"
        simple = any(not f.simple.empty for f in able)
        out.append(
            f"{text}{'; simple effects followed an interaction (step-down max-T over whole blocks)' if simple else ''}."
        )
    if any(f.method == "flipped signs" for f in able):
        text = (
            "Where not every combination of levels was run in every block, effects of factors were tested by flipping "
        )
        text += (
            "the signs of whole blocks (Holm's correction over effects); cells not run were taken as missing at random."
        )
        out.append(text)
    return " ".join(out)
