"""What a design does not allow to be claimed, each with what it would take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from reports.errors import listed
from reports.findings.comparisons import MIN_BLOCKS, Family
from reports.findings.results import Finding, GlobalTest, Refusal
from reports.findings.summaries import versions_of
from reports.statistics.attainability import blocks_needed, smallest_p
from reports.statistics.pairs.differences import Effect
from reports.statistics.pairs.signed import MIN_SIGNED
from reports.table.blocks import complete, ordered_arms
from reports.table.scores import Status
from reports.words.metrics import METRICS, label, metric_of
from reports.words.names import alike
from reports.words.numbers import are, at_level, count, joined


def forbidding(frame: pd.DataFrame) -> list[Refusal]:
    """Name what makes every test meaningless: arms that sat different exams, or were searched."""
    out = []
    for column, keys, what in (
        ("data_digest", ["dataset"], "different versions of the data"),
        ("split_digest", ["dataset", "repeat"], "different test pairs in the same repeat"),
        ("code_digest", ["dataset", "arm"], "different versions of its own code"),
    ):
        if column not in frame:
            continue
        several = frame[frame["status"] == Status.OK].groupby(keys)[column].nunique()
        for where in sorted(set(several[several > 1].index.get_level_values("dataset"))):
            message = f"Cells of {where} were computed on {what} ({column}). Their differences are not the arms'. "
            message += "Run the stale cells again; until then nothing is tested."
            out.append(Refusal("mixed digests", where, message))
    if "trial" in frame and frame["trial"].notna().any():
        message = "The table holds trials of a hyperparameter search. They were chosen by their scores and are not "
        message += "replicates. Confirm the chosen settings on fresh repeats and report those."
        out.append(Refusal("search trials", "all arms", message))
    return out


def design(
    frame: pd.DataFrame, means: pd.DataFrame, reference: str | None, questions: tuple[Family, ...], alpha: float
) -> list[Refusal]:
    """Name what the blocks (``means`` of the primary metric), arms and repeats cannot carry."""
    n, k = len(means), len(ordered_arms(frame))
    out = [*_blocks(means, questions, alpha), *_kinship(frame), *_direction(frame), *_alike(frame), *_repeats(frame)]
    whole = len(complete(means, failures_worst=False))
    if k > 2 and whole < MIN_BLOCKS:  # of two arms nobody asks whether any differs
        blocks = count(n, "block") if whole == n else f"{whole} of {count(n, 'block')} (complete for all arms)"
        message = f"Needs at least {MIN_BLOCKS} blocks; here N = {blocks}, k = {count(k, 'arm')}."
        out.append(Refusal("global test", "Friedman, Nemenyi, Conover", message))
    repeats = int(frame.groupby(["arm", "dataset", "metric"])["repeat"].nunique().max())
    if repeats < 3:
        visible = "not visible" if repeats == 1 else "hardly visible"
        message = f"{count(repeats, 'repeat')} of every cell: how far another seed would move a number is {visible}; "
        out.append(Refusal("repeats", "all arms", message + "run at least 3, better 5.", "warning"))
    out += _scales(frame, n)
    if reference is None and k > 1:
        message = "No reference arm: all pairs are compared, which costs power. Name one with --reference."
        out.append(Refusal("no reference", "all arms", message, "warning"))
    return out + _budgets(frame) + _cut_short(frame) + _versions(frame)


def _versions(frame: pd.DataFrame) -> list[Refusal]:
    """Name the libraries of which the finished cells used several versions: a difference may be theirs."""
    if "versions" not in frame:
        return []
    cells = frame[frame["status"] == Status.OK].drop_duplicates(["arm", "dataset", "repeat"])
    known = cells.assign(versions=cells["versions"].fillna("").map(versions_of))
    out = []
    for name in sorted({name for versions in known["versions"] for name in versions} - {"git_commit"}):
        used = known.assign(version=known["versions"].map(lambda of, name=name: of.get(name, "unknown")))
        if used["version"].nunique() < 2:
            continue
        each = [f"{version} ({_whose(rows, used)})" for version, rows in used.groupby("version")]
        message = f"Cells were computed with {len(each)} versions: {'; '.join(each)}. Part of a difference between "
        message += "arms may be that of the versions; delete the cells of one and run them again with the other."
        out.append(Refusal("versions", name, message, "warning"))
    return out


def _whose(rows: pd.DataFrame, cells: pd.DataFrame) -> str:
    """Say how many cells these are, and which arms have no others."""
    alone = [arm for arm, n in rows["arm"].value_counts(sort=False).items() if n == (cells["arm"] == arm).sum()]
    whole = f", all of {joined(list(map(str, alone)))}" if alone else ""
    return count(len(rows), "cell") + whole


def _blocks(means: pd.DataFrame, questions: tuple[Family, ...], alpha: float) -> list[Refusal]:
    n = len(means)
    units = f"N = {count(n, 'independent block')}"
    if n < MIN_BLOCKS:
        message = f"{units}: no test across data sets with fewer than {MIN_BLOCKS}. Tables per data set are shown "
        message += "instead; they are not evidence across data sets."
        return [Refusal("blocks", "all tests across data sets", message)]
    if n < MIN_SIGNED:
        message = f"{units}: an exact two-sided test cannot fall below {smallest_p(n):.3f}; it needs "
        message += f"{blocks_needed(alpha)}{at_level(alpha)}."
        return [Refusal("blocks", "pairwise tests", message)]
    out = []
    for family in (one for one in questions if one.tested):
        most = max(len(complete(means.reindex(columns=list(pair)), failures_worst=False)) for pair in family.pairs)
        if smallest_p(most) >= alpha:
            message = f"No two arms share more than {count(most, 'complete block')}: the smallest p any outcome could "
            message += f"reach is {smallest_p(most):.3f}. A p above {alpha:g} here says nothing about the arms; "
            message += f"{blocks_needed(alpha)} blocks are needed."
            out.append(Refusal("attainability", family.question, message))
    return out


def _kinship(frame: pd.DataFrame) -> list[Refusal]:
    """Blocks named by two columns (network / cell type) share cells, hence are not independent."""
    names = frame["block"].unique()
    parts = pd.DataFrame([name.split(" / ") for name in names])
    if parts.shape[1] < 2 or parts.isna().any().any():
        return []
    distinct = parts.nunique()
    shared = distinct[(distinct > 1) & (distinct < len(names))]
    if shared.empty:
        return []
    column = shared.idxmax()  # the cell types, where blocks are network and cell type
    twins = names[parts[column] == parts[column].mode()[0]][:2]
    parted = " and ".join(f"{n} names" for n in shared)
    message = f"The {len(names)} blocks combine {parted} and are treated as independent. "
    message += f"Blocks that share a name ({' and '.join(twins)}) are not, if they come from the same cells: every p "
    message += "here is then too small. Take what they share as the block to be safe (--block cell, for cell types)."
    return [Refusal("independence", "all tests across data sets", message, "warning")]


def _alike(frame: pd.DataFrame) -> list[Refusal]:
    """Name the arms whose names a reader takes for one."""
    message = "These names differ in capitals or spaces only, and are counted as two arms. If they are one, write "
    message += "one name: it would then have more blocks, and fewer arms would be compared."
    return [Refusal("names alike", f"{one} and {other}", message, "warning") for one, other in alike(frame["arm"])]


def _repeats(frame: pd.DataFrame) -> list[Refusal]:
    """Name the arms that ran other repeats than the rest: they are paired by number, and a mean over fewer flatters."""
    ran = frame.groupby(["dataset", "arm"])["repeat"].apply(lambda numbers: tuple(sorted(set(numbers))))
    unlike = ran.groupby(level="dataset").nunique()
    unlike = unlike[unlike > 1]
    if unlike.empty:
        return []
    first = ran.loc[unlike.index[0]]
    lists = [f"{joined([*arms.index])} ran {listed([*map(str, numbers)])}" for numbers, arms in first.groupby(first)]
    message = f"On {unlike.index[0]}, {'; '.join(lists)} ({count(len(unlike), 'data set')} in all). Arms are paired by "
    message += "the number of the repeat: one that an arm lacks is left out of its comparisons. Run what is missing."
    return [Refusal("unequal repeats", "repeats of the arms", message, "warning")]


def _scales(frame: pd.DataFrame, n: int) -> list[Refusal]:
    """Name the metrics whose values cannot be averaged over data sets."""
    message = "Guessing earns another AUPRC on every network, so raw differences are not averaged: blocks won are "
    message += "counted (over the geometric mean of a block's data sets). AUPRC ratio is the one to quote."
    own = [name for name in METRICS if name in set(frame["metric"]) and not metric_of(name).same_scale]
    return [Refusal("scale", label(name), message, "warning") for name in own if n > 1]


def _direction(frame: pd.DataFrame) -> list[Refusal]:
    """Name the metrics of which nothing but their column is known: a loss must not win by being large."""
    own = sorted(set(frame["metric"]) - set(METRICS))
    if not own:
        return []
    message = f"Higher is read as better on {', '.join(own)}, of which no more than the name is known. If lower is "
    message += "better, every 'higher', 'better' and rank here is the wrong way round: turn its sign in the table."
    return [Refusal("direction", ", ".join(own), message, "warning")]


def _budgets(frame: pd.DataFrame) -> list[Refusal]:
    if "protocol" not in frame:
        return []
    budgets = frame.loc[frame["role"].isin(["reference", "arm"]), "protocol"].nunique()
    if budgets < 2:
        return []
    message = f"{budgets} training budgets among the arms: a better-tuned arm may win by its budget."
    return [Refusal("budget", "reference and knocked-out arms", message, "warning")]


def _cut_short(frame: pd.DataFrame) -> list[Refusal]:
    """Name the arms of whose cells half or more kept the last epoch that the budget allowed."""
    if not {"protocol", "best_epoch"} <= set(frame):
        return []
    cells = frame[frame["status"] == Status.OK].drop_duplicates(["arm", "dataset", "repeat"])
    allowed = cells["protocol"].map({text: _epochs(text) for text in cells["protocol"].unique()})
    last = pd.to_numeric(cells["best_epoch"], errors="coerce") >= allowed
    counts = last.groupby(cells["arm"], sort=False).agg(["sum", "size"])
    short = counts[2 * counts["sum"] >= counts["size"]]
    if not short["sum"].any():
        return []
    named = [f"{arm} ({rows['sum']} of {count(int(rows['size']), 'cell')})" for arm, rows in short.iterrows()]
    message = f"The epoch that was kept is the last that the budget allowed: {joined(named)}. Validation was still "
    message += "rising, so that what such an arm lacks may be training. Raise training.epochs, for all arms alike."
    return [Refusal("training cut short", joined(short.index.tolist()), message, "warning")]


def _epochs(protocol: object) -> float:
    """Return the epochs that a budget allows where the best one is kept; missing where it does not say."""
    try:
        budget = json.loads(str(protocol))
        return float(budget["epochs"]) if budget.get("keep", "best") == "best" else float("nan")
    except (ValueError, TypeError, KeyError, AttributeError):
        return float("nan")


def _torn_metrics(compared: list[Finding]) -> list[Refusal]:
    """Name the arms that one metric sets above the other arm and another metric below it, with whole intervals."""
    sides: dict[tuple[str, str], dict[str, list[str]]] = {}
    for f in compared:
        if f.side:
            sides.setdefault((f.arm, f.against), {}).setdefault(f.side, []).append(label(f.metric))
    return [
        Refusal(
            "metrics disagree",
            f"{arm} – {against}",
            f"Higher on {', '.join(by['above'])} and lower on {', '.join(by['below'])}. Which of them matters was to "
            "be said before the scores were seen: it is the primary metric that verdicts speak of.",
            "warning",
        )
        for (arm, against), by in sides.items()
        if len(by) == 2
    ]


def _ties(size: Effect, subject: str, *, tested: bool) -> list[Refusal]:
    """Name a comparison whose scores hardly vary: it says more about how they were made than about the arms."""
    moved = size.n - size.ties
    if not moved:
        message = "The same score on every block, to the sixth decimal: does what was changed reach the model?"
        return [Refusal("identical scores", subject, message, "warning")]
    if tested and moved < MIN_SIGNED:
        message = f"Equal scores on {size.ties} of {count(size.n, 'block')}: the test rests on {moved}, of which no "
        message += f"outcome could fall below {smallest_p(moved):.2g}. Are the scores rounded?"
        return [Refusal("ties", subject, message, "warning")]
    if tested and np.isfinite(size.mean) and not np.isfinite(size.cohens_d):
        message = "The same difference on every block, to the sixth decimal, which measured scores do not have: were "
        message += "they written by hand, or copied from one block to another?"
        return [Refusal("constant difference", subject, message, "warning")]
    return []


def undefined(gaps: Sequence[tuple[str, str, int]]) -> list[Refusal]:
    """Name the data sets on which no arm could be scored by a metric."""
    places: dict[str, list[str]] = {}
    for metric, dataset, repeats in gaps:
        places.setdefault(metric, []).append(f"{dataset} ({count(repeats, 'repeat')})")
    message = "No arm has a value on {}, so none is asked for one there."
    return [
        Refusal("undefined", label(metric), message.format(", ".join(where)), "warning")
        for metric, where in places.items()
    ]


def outcome(compared: list[Finding], tests: list[GlobalTest], of_metric: Mapping[str, int]) -> list[Refusal]:
    """Name the comparisons that lost too many blocks, or whose arms failed cells."""
    out = []
    for finding in compared:
        subject = f"{label(finding.metric)}: {finding.arm} – {finding.against}"
        n, blocks = finding.effect.n if finding.effect else 0, of_metric.get(finding.metric, 0)
        if finding.verdict == "not tested" and blocks >= MIN_SIGNED and n < MIN_SIGNED:
            message = f"Only {n} of {blocks} blocks {are(n)} complete for both arms; the test needs {MIN_SIGNED}."
            out.append(Refusal("incomplete", subject, message))
        elif finding.failures:
            message = f"Failed cells in {finding.failures} of {count(blocks, 'block')}; scored as worst in the second "
            message += "pass."
            out.append(Refusal("failures", subject, message, "warning"))
        elif finding.dropped:
            lost = ", ".join(dict.fromkeys(d.block for d in finding.dropped))
            message = f"{n} of {count(blocks, 'block')} {are(n)} complete for both arms; cells are missing on {lost}."
            out.append(Refusal("missing", subject, message, "warning"))
        if finding.effect is not None:
            out += _ties(finding.effect, subject, tested=finding.p is not None)
    out += _torn_metrics(compared)
    for test in tests:
        if test.second is not None:
            message = "Failed cells: no pairs of mean ranks over the surviving blocks."
            out.append(Refusal("failures", f"{label(test.metric)}: Nemenyi, Conover", message))
    return out


def unread_refusals(unread: Mapping[str, str]) -> tuple[Refusal, ...]:
    """Warn of files beside the table that could not be read: path to reason."""
    if not unread:
        return ()
    path, reason = next(iter(unread.items()))
    which = path if len(unread) == 1 else f"{path} and {len(unread) - 1} more"
    message = f"Figures and what expression adds are without {which}: {reason.rstrip('.')}. Scores and verdicts have "
    message += "the cells. Delete the file with the cell's record in the ledger and run the study again."
    return (Refusal("files that cannot be read", count(len(unread), "file"), message, "warning"),)
