"""What every statistic of a report means, worded once for the page and for a paper's appendix."""

from __future__ import annotations

STATISTICS: dict[str, str] = {
    "Block": "The independent unit, by default the cell type. Repeats are averaged inside data sets, data sets inside "
    "blocks; every test across data sets is made on block means. More repeats never make more blocks.",
    "Complete blocks": "A block counts for a comparison only if every cell of the arms compared is finished there. A "
    "second pass scores a failed cell as the worst result of its block; an arm is called higher or lower only if both "
    "passes agree. Cells never run are left out of both.",
    "Mean difference": "Mean over blocks of arm minus reference, in metric units, with a t interval.",
    "Hodges–Lehmann": "Median of all pairwise averages of the block differences.",
    "Rank-biserial": "(Sum of positive ranks − sum of negative ranks) / sum of all ranks of the differences; −1 to 1.",
    "Cohen's d (paired)": "Mean difference divided by the standard deviation of the differences.",
    "P(A>B)": "Share of blocks (or repeats) on which the arm scores above the reference; ties count half.",
    "Wilcoxon": "Two-sided signed-rank test on block differences rounded to 6 decimals; zero differences are left out "
    "(the p that keeps them, after Pratt, stands in the fold below). Every pattern of signs is counted, with ties as "
    "they are, up to 300 blocks that differ; beyond, the tie-corrected normal approximation. Never with fewer than 6 "
    "blocks. The unrounded p is scipy's, which most papers print: it takes the last bits of floats for differences.",
    "Sign test": "Exact two-sided binomial test on the number of blocks won; used for raw AUPRC, whose differences "
    "have another scale on every network. Inside a block its geometric mean over data sets counts, so that the ratio "
    "of two arms weighs alike on each.",
    "Holm": "Step-down correction over the family printed with each finding: one table × one metric × one question.",
    "Friedman": "Test on ranks within blocks that any arm differs; the p used is by permutation below 10 blocks, by "
    "the Iman–Davenport F from 10. The χ² is printed for comparison with the literature. Arms of unlike spread count "
    "as different, too: with equal medians and a third of the arms ten times as variable as the others, it came out "
    "at 0.05 in up to 8 % of simulated studies.",
    "Kendall's W": "Agreement of the blocks on the order of the arms, 0 to 1.",
    "Nemenyi": "All pairs of mean ranks against one critical difference; it depends on which arms are in the pool, so "
    "it is secondary to the findings.",
    "Conover": "All pairs of mean ranks against the spread of ranks in this study; secondary like Nemenyi. No pair's "
    "p is taken below that of its own sign test, then Holm over all pairs: where three of five arms differ, the "
    "textbook's p called the two equal ones different at 0.05 in 3 to 5 of 10 simulated studies.",
    "Verdict": "Higher or lower: Holm p below the level; the second pass, with failures as worst, agrees, and so do "
    "ranks and mean in their direction. "
    "Otherwise not established, which does not say that the arms are equal.",
    "Score": "Mean over the repeats of an arm on one data set ± their standard deviation; no mean where a cell failed "
    "or was not run.",
    "Gain over the strongest control": "Reference arm minus the control with the highest mean on that data set and "
    "metric, over the repeats it finished; it is named beside the gain. Chosen after the fact, which favours the "
    "control. No gain is stated where the strongest lacks a repeat, or any control lacks all.",
    "Degree share": "(degree − 0.5) / (arm − 0.5): how much of an arm's AUROC above guessing a score reaches that "
    "knows only the numbers of targets and of regulators; beside it the arm's gain over that score.",
    "Rank": "Mean over blocks of an arm's rank inside the block; 1 is best, ties share.",
    "Repeats": "Cells of one arm on one data set: another split of its edges, other negatives, other initial weights.",
    "Costs": "Of every cell: seconds from the data in memory to the scores, what arms share counted in full for each; "
    "the highest memory its worker held; weights that are trained, of one model.",
    "Interval over repeats": "t interval of the paired difference on one data set: how far another seed, and another "
    "split of its edges, would move it. It says nothing about another data set.",
    "Corrected resampled t": "t test over repeats that split the edges of one data set anew. Their tests share edges, "
    "so the variance of a mean over n repeats is taken as (1/n + s/(1 − s)) times that of a repeat, s the share of "
    "tested among tested and training edges (Nadeau & Bengio 2003). At least 3 repeats; where all repeats sit one "
    "exam, s/(1 − s) is left out and p speaks of seeds alone. No p where every repeat tests all edges (folds, "
    "transfer) or the share is not known. An approximation: in simulated nulls it came out at 0.05 in 1 to 6 %, and "
    "in up to 8 % where AUROC lay below about 0.6.",
}


# the heads of columns that stand for a term
HEADS: dict[str, tuple[str, ...]] = {
    "Complete blocks": ("N",),
    "Mean difference": ("Mean", "interval"),
    "Wilcoxon": ("p", "Statistic", "Pratt p", "Unrounded p", "Paired t p"),
    "Holm": ("Holm p",),
    "Verdict": ("Holm p, failures worst",),
    "Cohen's d (paired)": ("Cohen's d",),
    "Rank": ("Rank within TFs", "Mean ranks"),
    "Nemenyi": ("Nemenyi p",),
    "Conover": ("Conover p (Holm)",),
    "Costs": ("cells", "median seconds", "total seconds", "peak memory (MB)", "parameters"),
    "Practically equal": ("Interval", "TOST p", "Conclusion"),
    "P(worse), P(equal), P(better)": ("P(worse)", "P(equal)", "P(better)"),
    "Blocks needed": (
        "Size",
        "sd",
        "between blocks",
        "due to repeats",
        "after Holm",
        "repeats doubled",
        "endless repeats",
    ),
    "RM-ANOVA": ("Effect", "df", "F", "ε", "ANOVA p", "partial η²"),
    "Aligned ranks": ("Aligned-rank p", "Aligned-rank Holm p"),
    "Flipped signs": ("df told apart", "Blocks used", "Flip p"),
    "Mixed model": ("F of the model", "Error df", "Wald p", "Wald Holm p"),
    "Trial": ("Trials", "Cells", "Seconds", "Best", "Untuned", "Budget"),
    "Complete, pruned, failed": ("Complete / pruned / failed",),
    "Optimism gap": ("Search", "Validation", "Test"),
}


FACTORIALS: dict[str, str] = {
    "RM-ANOVA": "Analysis of variance over block means with blocks as subjects, where every combination of levels was "
    "run in every block; p after Greenhouse and Geisser, Holm over all effects of one metric.",
    "Aligned ranks": "The same analysis with ranks (Wobbrock et al. 2011): all effects but one are taken out of the "
    "block means, these are ranked over everything, and only the effect that was left in is read. A sensitivity that "
    "decides nothing: a few extreme blocks move it less, but it takes all levels to spread alike (where one spread "
    "three times as much as the others, it came out at 0.05 in up to 13 % of simulated studies without effects).",
    "Flipped signs": "Where combinations or cells were not run. Every block says something about an effect, given the "
    "effects that do not hold it; if there is none, each block might as well have said the opposite, so p is the share "
    "of sign patterns of whole blocks (all of them up to 13 blocks, else 9,999) that reach what was seen. Right for "
    "symmetric differences, however a block takes to a level. df: what the design can tell apart, of what the effect "
    "has. Interactions of three and more factors are taken to be absent.",
    "Mixed model": "Linear model with a random part for each block and for how it takes to each level of each factor "
    "(REML), from 15 blocks; F given the other effects, error df by containment, Holm over the effects. A sensitivity: "
    "it takes all levels to spread alike (with one three times as wide, up to 8 % false alarms at 0.05).",
    "Simple effects": "One factor's levels compared inside one level of another, further factors averaged over, by the "
    "test of the findings; Holm over all comparisons of that factor across the levels of that other one.",
}


CONCLUSIONS: dict[str, str] = {
    "Practically equal": "Both one-sided tests (TOST) say that the mean difference over blocks is smaller than the "
    "margin; Holm within the family. At least 5 complete blocks and no failed cell; no p is taken below 1 / 2^N, that "
    "N blocks lie on one side by chance. Where neither a difference nor "
    "equality is shown, the data cannot tell.",
    "P(worse), P(equal), P(better)": "Posterior probabilities that the arm is below, inside or above the margin: "
    "Bayesian signed-rank test over blocks (Benavoli et al. 2017), 20,000 draws.",
    "Blocks needed": "Independent blocks at which a paired t test would see a difference as large as the margin "
    "with power 0.8, at the standard deviation of block differences seen here; never fewer than the exact test "
    "needs. In brackets, at the ends of the 95 % interval of that standard deviation.",
    **FACTORIALS,
}


SEARCHES: dict[str, str] = {
    "Trial": "One arm that a search tried. Its score is the mean validation metric over its cells (data sets × "
    "repeats). The test is not read.",
    "Complete, pruned, failed": "Every cell scored; stopped between cells because it was behind (its score is over "
    "fewer cells and is never the best); a cell failed, so there is no score.",
    "Warm": "An arm whose every cell the ledger held before the search began. It counts as a finished trial, not "
    "towards the trials asked for.",
    "Best score": "The maximum of many noisy scores. It overstates what the arm is worth, the more trials the more.",
    "Optimism gap": "Search score minus the validation score of the same arm on repeats that the search never saw. Of "
    "a chosen arm it holds the flattery of choosing; the gap of the reference, which was not chosen, shows what other "
    "repeats change by themselves.",
    "Importance (PED-ANOVA)": "Share of a parameter in what sets the best tenth of the complete trials, and at least "
    "five, apart from all of them (Watanabe et al. 2023). A conditional one is weighed by how often it acts among "
    "both. It describes the trials this search drew; the worth of a part is shown by knocking it out.",
    "Expected best": "Mean of the best score over all draws, with replacement, of n trials from those that ended "
    "(Dodge et al. 2019): what a budget of n trials finds. Pruned and failed ones count as the worst.",
    "Pareto front": "The complete trials that no other trial beats in one objective without losing in another.",
}
