"""How numbers and lists are written, once for the page, the sentences and the LaTeX tables."""

from __future__ import annotations

import math

from reports.words.metrics import ALPHA, DECIMALS


def number(value: float, digits: int = 3) -> str:
    """Write a score, or a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Write a difference between two arms with its sign, never as minus zero."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}"
    return ("0." + "0" * digits if float(text) == 0 else text).replace("-", "−")


def percent(share: float) -> str:
    """Write a share in whole percent, or a dash where there is none."""
    return f"{number(100 * share, 0)} %" if math.isfinite(share) else "–"


def confidence(alpha: float) -> str:
    """Write the confidence level that belongs to the level of tests."""
    return f"{100 * (1 - alpha):.4g} %"


def level(alpha: float) -> str:
    """Write the level of tests."""
    return f"{alpha:.2g}".replace("0.", ".", 1)


def at_level(alpha: float) -> str:
    """Say at which level something holds, where that is not the usual one."""
    return "" if alpha == ALPHA else f" at level {level(alpha)}"


def interval(low: float, high: float) -> str:
    """Write the interval of a paired difference, or that one value cannot give one."""
    return ends(low, high) if math.isfinite(low) else "no interval"


def ends(low: float, high: float) -> str:
    """Write the two ends of an interval."""
    return f"[{_end(low)}, {_end(high)}]"


def _end(value: float) -> str:
    """Write an end of an interval; one that rounds to zero keeps its sign: on which side of zero it lies decides."""
    return signed(value) if round(value, 3) or not round(value, DECIMALS) else f"{value:+.3f}".replace("-", "−")


def p_value(p: float | None) -> str:
    """Write a p with two digits that mean something; never 'p = 0.000'."""
    if p is None or math.isnan(p):
        return "–"
    return f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"


def amount(value: float) -> str:
    """Write what a cell cost: whole numbers whole, small ones with two digits."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.2f}"


def count(n: int, one: str) -> str:
    """Write '1 block' or '7 blocks'."""
    return f"{n} {one}" if n == 1 else f"{n} {one}s"


def are(n: int) -> str:
    """Return the verb that fits a count: '1 block is', '7 blocks are'."""
    return "is" if n == 1 else "are"


def won(superior: float, n: int) -> str:
    """Write on how many of ``n`` blocks an arm is ahead, given their share; ties count half."""
    return f"{superior * n:g} of {count(n, 'block')}"


def joined(names: list[str], most: int = 4) -> str:
    """Write a list of arms or data sets, shortened where it would drown the sentence."""
    shown = names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
