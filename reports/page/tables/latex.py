"""Sets tables for a paper (booktabs)."""

from __future__ import annotations

import re

import pandas as pd

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
    table = table.replace(r"\begin{tabular}", _FITTED + "\n" + r"\begin{tabular}").replace(
        r"\end{tabular}", r"\end{tabular}}"
    )
    return f"% \\usepackage{{booktabs, graphicx}}\n{table}"


def _starred(name: object) -> str:
    text = re.sub(f"{STAR}+", lambda match: f"$^{{{'*' * len(match.group())}}}$", str(name))
    return _signs(text)


def _signs(text: str) -> str:
    for sign, command in _COMMANDS.items():
        text = text.replace(sign, command)
    return text


def _minus(cell: str) -> str:
    return _signs(re.sub(r"^(\d(?:\.\d+)?)e-0?(\d+)$", r"$\1\\times10^{-\2}$", cell))
