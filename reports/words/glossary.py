"""What every statistic of a report means, worded once for the page and for a paper's appendix."""

from __future__ import annotations

STATISTICS: dict[str, str] = {
    "Block": "The independent unit, by default the cell type. Repeats are averaged inside data sets, data sets inside "
    "blocks; every test across data sets is made on block means. More repeats never make more blocks.",
    "Complete blocks": "A block counts for a comparison only if every cell of the arms compared is finished there. A "
    "second pass scores a failed cell as a loss as large as any difference seen; a difference is established only "
    "where both passes agree. Cells never run are left out of both.",
    "Mean difference": "Mean over blocks of arm minus reference, in metric units.",
    "Simultaneous interval": "All intervals of one question hold together at the stated level: the differences from "
    "their means are flipped by whole blocks, and the largest |t| of the family gives the width (max-T; from 6 blocks, "
    "else Student's t by Bonferroni). In simulated studies they held together in 92 to 98 %.",
    "Max-T": "The signs of whole blocks are flipped for all comparisons jointly, every pattern up to 16 blocks, 20,000 "
    "drawn beyond; p is the share of patterns whose largest |t|, of this comparison and all weaker ones, reaches what "
    "was seen (Westfall & Young 1993, step-down). It holds the error of the whole question and can fall to 2 / 2^N for "
    "any number of arms. The one test that verdicts rest on; on raw AUPRC, without a common scale, it is made on who "
    "won each block.",
    "Hodges–Lehmann": "Median of all pairwise averages of the block differences.",
    "Rank-biserial": "(Sum of positive ranks − sum of negative ranks) / sum of all ranks of the differences; −1 to 1.",
    "Cohen's d (paired)": "Mean difference divided by the standard deviation of the differences.",
    "Won": "Blocks (or repeats) on which the arm scores above the other; ties count half.",
    "Wilcoxon": "Two-sided signed-rank test on block differences rounded to 6 decimals; zero differences are left "
    "out. Every pattern of signs is counted, with ties as they are, up to 300 blocks that differ; beyond, the "
    "tie-corrected normal approximation. Beside the verdict, and not what it rests on.",
    "Sign test": "Exact two-sided binomial test on the number of blocks won; in place of Wilcoxon's for raw AUPRC, "
    "whose differences have another scale on every network. Inside a block its geometric mean over data sets counts, "
    "so that the ratio of two arms weighs alike on each.",
    "Holm": "Step-down correction over the comparisons of one question. With few blocks it multiplies a p that cannot "
    "be small, so that nothing is ever established: it stands beside max-T as sensitivity.",
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
    "Score": "Mean over the repeats of an arm on one data set ± their standard deviation; no mean where a cell failed "
    "or was not run.",
    "Gain over the strongest control": "Reference arm minus the control with the highest mean on that data set and "
    "metric, over the repeats it finished; it is named beside the gain. Chosen after the fact, which favours the "
    "control. No gain is stated where the strongest lacks a repeat, or any control lacks all.",
    "Gain over other features": "Arm minus the same arm whose genes have the rows of other genes (permuted_features) "
    "or normal numbers of the same scale (random_features); genes that the file lacks are the same in both.",
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
    "Mean difference": ("Mean",),
    "Simultaneous interval": ("interval",),
    "Max-T": ("p (max-T)", "p, failures worst", "Difference"),
    "Wilcoxon": ("p of the method",),
    "Corrected resampled t": ("p",),
    "Holm": ("Holm p", "Holm p, paired t"),
    "Cohen's d (paired)": ("Cohen's d",),
    "Rank": ("Rank within TFs", "Mean ranks"),
    "Nemenyi": ("Nemenyi p",),
    "Conover": ("Conover p (Holm)",),
    "Costs": ("Seconds per cell", "cells", "median seconds", "total seconds", "peak memory (MB)", "parameters"),
    "Not worse, equal": ("p not worse", "p equal"),
    "Verdict": ("Verdict", "Conclusion"),
    "Worst block": ("Worst block",),
    "Blocks needed": (
        "Margin",
        "sd",
        "between blocks",
        "due to repeats",
        "Blocks to see it",
        "repeats doubled",
        "endless repeats",
        "for not worse",
        "for equal",
    ),
    "RM-ANOVA": ("Effect", "df", "F", "ε", "ANOVA p", "partial η²"),
    "Flipped signs": ("df told apart", "Blocks used", "Flip p"),
    "Shapley value": ("Leave-one-out", "Add-one-in"),
    "Interaction of two parts": ("Interaction",),
    "Variance shares": ("Units", "sd of scores", "sd of differences", "Share of the error"),
    "Rank reversal": ("Between", "Ahead", "Behind", "Over"),
    "Trial": ("Trials", "Cells", "Seconds", "Best", "Untuned", "Budget"),
    "Complete, pruned, failed": ("Complete / pruned / failed",),
    "Optimism gap": ("Search", "Validation", "Test"),
}


CONCLUSIONS: dict[str, str] = {
    "Verdict": "Of a part: 'may go' where the model without it is shown to be not worse than the margin; 'earns its "
    "keep' where it is shown to be worse; 'costs' where it is shown to be better. Of a rival (another model, yours or "
    "a known one): 'better', 'worse' (max-T), 'practically equal' (both sides within the margin), 'not worse' (one "
    "side). 'The data cannot tell': enough blocks, and none of this is shown, which is no evidence that there is "
    "no difference. 'The design cannot tell': with so few blocks no outcome could show a difference. 'Too few cells "
    "finished': the design has the blocks, and cells of them failed or are missing. It speaks of the primary metric.",
    "Not worse, equal": "One-sided t tests against the margin over blocks: the mean difference lies above its lower "
    "end (not worse), or inside both ends (TOST); Holm over the question. At least 5 complete blocks and no failed "
    "cell; no p is taken below 1 / 2^N, that N blocks lie on one side by chance.",
    "Worst block": "The block on which the arm loses most against the other: a mean within the margin can hide a cell "
    "type that needs the part.",
    "Blocks needed": "Independent blocks at which a paired t test would see a difference as large as the margin with "
    "power 0.8, at the standard deviation of block differences seen here, at the strictest step of a correction over "
    "the question; and at which two equal arms would be shown to be not worse, and equal. In brackets, at the ends of "
    "the 95 % interval of that standard deviation.",
    "RM-ANOVA": "Analysis of variance over block means with blocks as subjects, where every combination of levels was "
    "run in every block; p after Greenhouse and Geisser, Holm over all effects of one metric.",
    "Flipped signs": "Where combinations or cells were not run. Every block says something about an effect, given the "
    "effects that do not hold it; if there is none, each block might as well have said the opposite, so p is the share "
    "of sign patterns of whole blocks (all of them up to 13 blocks, else 9,999) that reach what was seen. Right for "
    "symmetric differences, however a block takes to a level. df: what the design can tell apart, of what the effect "
    "has. Interactions of three and more factors are taken to be absent.",
    "Simple effects": "One factor's levels compared inside one level of another, further factors averaged over, by the "
    "test of the findings; Holm over all comparisons of that factor across the levels of that other one.",
    "Shapley value": "What a part adds to the block mean, averaged over all orders in which the parts may go; exact, "
    "since every mixture of parts was run. A part is there at the reference's level. It is out at the level none or "
    "off; without one, at the mean over its other levels. Leave-one-out: the part is the first to go; add-one-in: the "
    "last. An arm in which a factor cannot act stands for all levels of that factor.",
    "Interaction of two parts": "Shapley interaction index (Grabisch & Roubens 1999): what two parts add together "
    "beyond what each adds without the other, averaged over the mixtures of the other parts. Its intervals are a "
    "family of their own.",
    "Marginal difference": "Difference of two levels of a factor, each averaged over all levels of the other factors.",
    "Variance shares": "Variance components of nested sources by the method of moments, averaged over arms; what "
    "networks differ by in all blocks alike is taken out, and an estimate below zero stands as 0. Units: how many were "
    "seen. Share of the error: of the variance of a mean difference, as many blocks, data sets and repeats as here. "
    "Few units tell a variance badly.",
    "Rank reversal": "One arm is ahead of another in one network, exam or metric and behind it in another, in means "
    "over the blocks that both finished in both; of each pair the clearest flip. Chance flips arms that are close.",
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
