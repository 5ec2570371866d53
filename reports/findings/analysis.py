"""From a tidy table to everything a report of a GRN study states. Pure computation: no wording, no files."""

from __future__ import annotations

from reports.findings.comparisons import families, findings, global_test
from reports.findings.conclusions import conclude, crossed
from reports.findings.contributions.contributions import contributions
from reports.findings.controls.within import within_data_sets
from reports.findings.planned import deviations, interim, look_at, progress, registration_refusals
from reports.findings.refusals import design, forbidding, outcome, undefined
from reports.findings.repeats import lost_repeats, other_exams, other_order
from reports.findings.results import Analysis
from reports.findings.summaries import averages, completeness, costs, points, provenance, scores
from reports.options import DEFAULTS, ReportOptions
from reports.table.blocks import arm_levels, block_means, ordered_arms
from reports.table.table import Table
from reports.words.metrics import METRICS


def analyse(table: Table, options: ReportOptions = DEFAULTS) -> Analysis:
    """Work out what a study found, and what it must not claim."""
    frame, reference, planned = table.frame, table.reference, table.planned
    registration, seen = planned.registration if planned else None, progress(table)
    look, deviating = look_at(seen, planned.looks if planned else (), options.alpha), deviations(table, options)
    alpha = look.alpha if look and look.alpha else options.alpha
    margin = None if options.margin is None else options.margin / table.unit
    measured = sorted(frame["metric"].unique())
    metrics = tuple(dict.fromkeys([table.metric, *(m for m in METRICS if m in measured), *measured]))
    forbidden = [*forbidding(frame), *interim(seen, look)]
    questions = families(frame, reference)
    able, why = not forbidden, "nothing in this table can be tested" if forbidden else ""
    if forbidden and forbidden[0].rule == "interim":
        why = "planned blocks are not in yet"
    # what is asked beside the primary metric is described: five metrics tested would be five chances of a word
    compared = {
        (m, q.question): findings(frame, m, q, alpha=alpha, tests=able and m == table.metric, margin=margin)
        for m in metrics
        for q in questions
    }
    tested = [f for q in questions if q.tested for f in compared[table.metric, q.question]]
    every = [f for members in compared.values() for f in members]
    tests = [t for t in (global_test(frame, metric, tests=able) for metric in metrics) if t]
    # on a data set with mixed digests even a plain difference would mislead
    sound = frame[~frame["dataset"].isin({r.subject for r in forbidden if r.rule == "mixed digests"})]
    gained, featured, paired = within_data_sets(sound, metrics, reference, alpha)
    means = {metric: block_means(frame, metric) for metric in metrics}
    roles = ordered_arms(frame)
    scored = scores(frame, metrics)
    return Analysis(
        source="/".join(table.source.parts[-2:]),  # the whole path names the machine, not the study
        reference=reference,
        metric=table.metric,
        metrics=metrics,
        alpha=alpha,
        arms=tuple(roles),
        roles=roles,
        blocks=tuple(means[table.metric].index),
        units=table.units,
        datasets=tuple(sorted(frame["dataset"].unique())),
        repeats=int(frame.groupby(["dataset", "metric"])["repeat"].nunique().max()),
        scores=scored,
        averages=averages(frame, scored),
        points=points(frame, metrics),
        gains=gained,
        feature_gains=featured,
        paired=paired,
        findings=tuple(every),
        globals=tuple(tests),
        refusals=(
            *forbidden,
            *registration_refusals(registration, deviating),
            *design(frame, means[table.metric], reference, questions, alpha),
            *lost_repeats(frame, table.metric),
            *undefined(table.undefined),
            *other_exams(frame),
            *other_order(table),
            *outcome(every, tests, {m: len(of) for m, of in means.items()}),
        ),
        completeness=completeness(frame, scored),
        costs=costs(frame),
        provenance={**provenance(frame), **({"table_sha256": (table.digest,)} if table.digest else {})},
        conclusions=conclude(frame, tested, alpha=alpha, refused=why, margin=margin),
        factorials=crossed(frame, metrics, reference=reference, alpha=alpha, tests=able),
        contributions=contributions(frame, metrics, reference=reference, alpha=alpha, margin=margin, tests=able),
        levels=arm_levels(frame),
        look=look,
        registration=registration,
        deviations=deviating,
    )
