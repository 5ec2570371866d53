"""What every metric and statistic of a report means, worded once for the page and for a paper's appendix."""

from __future__ import annotations

__all__ = ["METRICS", "STATISTICS", "label"]

METRICS: dict[str, str] = {
    "auroc": "AUROC: chance that a true regulator-target pair is scored above a false one; 0.5 is guessing.",
    "auprc": "AUPRC: average precision over the ranking; guessing gives the share of positives, which "
    "differs "
    "between networks.",
    "auprc_ratio": "AUPRC ratio: AUPRC divided by the share of positives; 1 is guessing, on every network.",
    "epr": "EPR (early precision ratio): precision among the k best pairs (k = number of true pairs), "
    "divided by the "
    "share of positives; 1 is guessing.",
    "within_tf_auroc": "AUROC within each transcription factor, averaged over factors: knowing which factors "
    "have many targets earns nothing here.",
}

_LABELS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "auprc_ratio": "AUPRC ratio",
    "epr": "EPR",
    "within_tf_auroc": "within-TF AUROC",
}

STATISTICS: dict[str, str] = {
    "Block": "The independent unit (the cell type). Repeats are averaged inside data sets, data sets inside "
    "blocks; "
    "every test across data sets is made on block means. More repeats never make more blocks.",
    "Complete blocks": "A block counts for a comparison only if every cell of the arms compared is finished "
    "there. A "
    "second pass scores a failed cell as the worst result of its block; a difference is called supported "
    "only if "
    "both passes agree. Cells never run are left out of both.",
    "Mean difference": "Mean over blocks of arm minus reference, in metric units, with a t interval.",
    "Hodges–Lehmann": "Median of all pairwise averages of the block differences.",
    "Rank-biserial": "(Sum of positive ranks − sum of negative ranks) / sum of all ranks of the differences; −1 to 1.",
    "Cohen's d (paired)": "Mean difference divided by the standard deviation of the differences.",
    "P(A>B)": "Share of blocks (or repeats) on which the arm scores above the reference; ties count half.",
    "Wilcoxon": "Two-sided signed-rank test on block differences rounded to 6 decimals; zero differences "
    "are left "
    "out (the p that keeps them, after Pratt, stands beside it in the CSV). Exact without ties; with ties "
    "or zeros exact "
    "by permutation up to 13 blocks, and the tie-corrected normal approximation from 14. Never with fewer "
    "than 6 "
    "blocks.",
    "Sign test": "Exact two-sided binomial test on the number of blocks won; used for raw AUPRC, whose "
    "differences have "
    "another scale on every network.",
    "Holm": "Step-down correction over the family printed with each finding: one table × one metric × one question.",
    "Friedman": "Test on ranks within blocks that any arm differs; the p used is by permutation below 10 "
    "blocks, by the "
    "Iman–Davenport F from 10. The χ² is printed for comparison with the literature.",
    "Kendall's W": "Agreement of the blocks on the order of the arms, 0 to 1.",
    "Nemenyi": "All pairs of mean ranks against one critical difference; it depends on which arms are in "
    "the pool, so it "
    "is secondary to the findings.",
    "Interval over repeats": "t interval of the paired difference on one data set: how far another seed "
    "would "
    "move it. It says nothing about another data set.",
}


def label(metric: str) -> str:
    """Return how a metric of a study is written in a heading."""
    return _LABELS.get(metric, metric)
