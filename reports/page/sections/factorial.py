"""What the page, its sentences and the table files say of the factors together."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from reports.findings.factorial import Factorial
from reports.findings.results import Analysis
from reports.page.tables import Export, latex_rows
from reports.statistics.attainability import smallest_p
from reports.statistics.factors.incomplete import smallest
from reports.statistics.pairs.max_t import MIN_FLIPPED
from reports.words.metrics import label
from reports.words.numbers import confidence, count, ends, joined, number, p_value, signed

_FILES = {
    "RM-ANOVA": ("factorial", "marginal_means", "Repeated-measures ANOVA over block means (Greenhouse--Geisser)"),
    "flipped signs": ("factorial_incomplete", "adjusted_means", "Signs of whole blocks flipped"),
}


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
        text = "Where not every combination of levels was run in every block, effects of factors were tested by "
        text += "flipping the signs of whole blocks (Holm's correction over effects); cells not run were taken as "
        out.append(f"{text}missing at random.")
    return " ".join(out)


def factorials_context(a: Analysis) -> list[dict[str, Any]]:
    """Show every analysis of the factors once; metrics refused for the same reason share one line."""
    analyses, interval = a.factorials, f"{confidence(a.alpha)} simultaneous interval"
    out: list[dict[str, Any]] = []
    for message in dict.fromkeys(f.message for f in analyses if f.message):
        mine = [f for f in analyses if f.message == message]
        names = "" if len(mine) == len(analyses) else joined([label(f.metric) for f in mine], 8)
        out.append({"metric": names, "message": message})
    mine = [f for f in analyses if not f.message]
    return out + [{**_shown(f, interval), "open": f.metric == a.metric or len(mine) == 1} for f in mine]


def factorial_exports(analyses: tuple[Factorial, ...]) -> list[Export]:
    """Collect the tables of what the factors do together, all digits; nothing where all was refused."""
    out = []
    for method, (name, means, how) in _FILES.items():
        able = [f for f in analyses if not f.message and f.method == method]
        if able:
            numbers = pd.concat([f.effects.assign(metric=f.metric) for f in able])
            rows = {
                (label(f.metric), effect): {head.replace("\n", " "): cell for head, cell in row.items()}
                for f in able
                for effect, row in _effects(f)
            }
            out.append(Export(name, numbers, latex_rows(rows, f"{how}; Holm over the effects of a metric.", name)))
            out.append(Export(means, pd.concat([f.means.assign(metric=f.metric) for f in able])))
    simple = [f.simple.assign(metric=f.metric) for f in analyses if not f.simple.empty]
    return [*out, Export("simple_effects", pd.concat(simple))] if simple else out


def _shown(f: Factorial, interval: str) -> dict[str, Any]:
    crossed = " × ".join(f"{factor} ({', '.join(names)})" for factor, names in f.factors.items())
    complete = f.method == "RM-ANOVA"
    blocks = count(f.blocks, "complete block" if complete else "block")
    return {
        "metric": f"{label(f.metric)}: {crossed}, {blocks}",
        "message": "",
        "notes": _notes(f),
        "rows": [{"Effect": effect, **row} for effect, row in _effects(f)],
        "means_title": "Marginal means" if complete else "Means of levels as if every block had run all of them",
        "means": [
            {"Factor": row["effect"], "Level": row["level"], "Mean": number(row["mean"])}
            for row in f.means.to_dict("records")
        ],
        "simple": [
            {
                "Difference of": f"{row['factor']}: {row['level']} − {row['against']}",
                "Level": f"{row['at_factor']} = {row['at_level']}",
                "N": str(row["blocks"]),
                "Mean": signed(row["mean_difference"]),
                interval: ends(row["low"], row["high"]),
                "max-T p": p_value(row["p"]),
            }
            for row in f.simple.to_dict("records")
        ],
        "simple_notes": _simple_notes(f),
    }


def _effects(f: Factorial) -> list[tuple[str, dict[str, str]]]:
    """Return every effect with its row; the page breaks a head where the line ends here."""
    return [(str(row["effect"]), _effect(f, row)) for row in f.effects.to_dict("records")]


def _effect(f: Factorial, row: dict[Any, Any]) -> dict[str, str]:
    if f.method == "RM-ANOVA":
        return {
            "df": f"{row['df']:g}, {row['df_error']:g}",
            "F": number(row["f"], 2),
            "ε": number(row["epsilon"], 2),
            "ANOVA p": p_value(row["p"]),
            "Holm p": p_value(row["p_holm"]),
            "partial\nη²": number(row["partial_eta2"], 2),
        }
    return {
        "df\ntold apart": f"{row['df']:g}" + (f" of {row['df_all']:g}" if row["df"] != row["df_all"] else ""),
        "Blocks\nused": str(row["blocks"]),
        "Flip p": p_value(row["p"]),
        "Holm p": p_value(row["p_holm"]),
    }


def _notes(f: Factorial) -> list[str]:
    out = []
    if f.left_out:
        out.append(f"Left out, because a factor cannot act there: {joined(list(f.left_out))}.")
    if f.failed:
        text = f"Left out whole, because a cell failed there: {joined(list(f.failed), 8)}. Failures are not missing at "
        out.append(f"{text}random: this speaks of blocks in which every arm finishes, and not of arms that do not.")
    if f.method == "RM-ANOVA":
        return out
    if f.not_run:
        out.append(f"Combinations that were not run: {joined([f'({one})' for one in f.not_run], 8)}.")
    if f.gaps:
        out.append(f"{count(f.gaps, 'further cell')} (arm in a block) not run or not complete.")
    text = "Whether a combination or cell was run is taken to have nothing to do with how it would have scored "
    text += "(missing at random); nothing in this table can check that. A main effect is read over the combinations "
    out.append(f"{text}that were run, and with care where an interaction with it is established.")
    possible = [*f.factors, *map(" × ".join, combinations(f.factors, 2))]
    if gone := [effect for effect in possible if effect not in set(f.effects["effect"])]:
        out.append(f"This design cannot tell from other effects: {joined(gone, 8)}.")
    floor = p_value(smallest(f.blocks, len(f.effects)))
    out.append(f"Smallest Holm p that {f.blocks} blocks can reach: {floor} for {count(len(f.effects), 'effect')}.")
    return out


def _simple_notes(f: Factorial) -> list[str]:
    if f.simple.empty:
        return []
    out = ["A difference that is shown at one level and not at another is no interaction: that is the row above."]
    out.append("p and intervals hold for all comparisons of a factor across the levels of one other.")
    if f.blocks < MIN_FLIPPED:
        return [*out, f"{count(f.blocks, 'block')}; an exact test needs {MIN_FLIPPED}."]
    return [*out, f"Smallest p that {count(f.blocks, 'block')} can reach: {p_value(smallest_p(f.blocks))}."]
