"""Simulated single-cell data with a known network: for a demo without download, and for tests.

Out-degrees follow a power law, in-degrees are even. Expression follows from the network: saturating (Hill) activation
and repression, steady-state mRNA with bursts (a gamma law: Friedman et al. 2006, Phys. Rev. Lett. 97, 168302), Poisson
sampling at each cell's depth, dropout, log-normalisation. A TF acts through its protein, which its mRNA shows only
roughly (``hidden``), so that known targets of a TF help to find new ones, as in real data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import PSEUDOTIME, Dataset, Floats, Ints, Reals, write_pseudotime
from components.core.errors import KnockoutError
from components.core.settings import Settings, setting
from components.data.readers import EXPRESSION, LABELS, NETWORK, TARGETS, TFS

LINEAGES = 3
TRUNK = 0.3  # share of pseudotime before the lineages part
MAX_REGULATORS = 4
HILL = 2.0
UNREGULATED = 0.06  # share of genes without a TF of this network
OUTSIDE = 3  # TFs that the network does not know and that those genes follow
MASTERS = 0.25  # share of TFs that a lineage programme switches on
SWITCH = 2.0  # log fold change of a lineage programme
WAVE = 0.5  # share of a TF's own variation that follows pseudotime; the rest is each cell's own
LEAK = 0.05  # share of the highest rate that is left without any activation


class SimulatorSettings(Settings):
    """Size, wiring and noise of a simulated data set."""

    genes: int = setting(500, "genes, TFs included", ge=20)
    tfs: int = setting(40, "genes that regulate others", ge=4)
    cells: int = setting(400, "cells, spread over three branching lineages", ge=20)
    regulators: float = setting(1.5, "mean number of TFs per regulated gene (at most 4)", ge=1.0, le=4.0)
    hubs: float = setting(0.8, "exponent of the power law of TF out-degrees; 0: no hubs", ge=0.0, le=3.0)
    repression: float = setting(0.12, "share of edges that repress", ge=0.0, le=1.0)
    variation: float = setting(1.0, "sd of each TF's own slow variation", ge=0.0, le=3.0, unit="log activity")
    noise: float = setting(0.15, "sd of what no TF explains in a gene", ge=0.0, le=3.0, unit="log rate")
    hidden: float = setting(2.0, "sd of a TF's mRNA around its activity", ge=0.0, le=3.0, unit="log rate")
    burst: float = setting(1.0, "mean transcripts per burst: intrinsic noise", ge=0.01, le=100.0, unit="mRNA")
    depth: float = setting(10000.0, "mean counts per cell", ge=100.0, unit="counts")
    dropout: float = setting(0.3, "expected count at which half are lost", ge=0.0, unit="counts")


@dataclass(frozen=True)
class _Wiring:
    """A network without cycles, whose TFs are the first genes; one value per edge."""

    genes: int
    tf: Ints
    target: Ints
    represses: NDArray[np.bool_]
    half: Reals
    strength: Reals


def simulate(settings: SimulatorSettings | None = None, seed: int = 0) -> Dataset:
    """Simulate a network, its expression in cells of three lineages, and their sequencing.

    Parameters
    ----------
    settings
        Size, wiring and noise; None for the defaults.
    seed
        The same seed and settings give the same data set, bit for bit.

    Returns
    -------
    Dataset
        Expression ``[genes, cells]`` in log1p of counts per 10,000; TFs are called TF01 ..., others G001 ...

    Raises
    ------
    KnockoutError
        If the settings leave fewer genes than twice the TFs.
    """
    settings = settings or SimulatorSettings()
    if settings.genes < 2 * settings.tfs:
        need = 2 * settings.tfs
        raise KnockoutError(f"{settings.tfs} simulated TFs need at least {need} genes, got {settings.genes}.")
    rng = np.random.default_rng(seed)
    wiring = _wire(settings, rng)
    counts = _sequence(_run(wiring, settings, rng), settings, rng)
    expression = np.log1p(1e4 * counts / counts.sum(axis=0)).astype(np.float32)
    return _shuffled(expression, wiring, settings.tfs, rng)


def write_beeline(dataset: Dataset, folder: Path, cells: Sequence[str] = ()) -> None:
    """Write a data set as the CSV files of the BEELINE layout, which ``read`` returns unchanged.

    Parameters
    ----------
    dataset
        Expression ``[genes, cells]``, TFs and edges.
    folder
        Created if absent; files of these names are replaced.
    cells
        Names of the cells; by default cell_0000 and so on.
    """
    import pandas as pd  # 80 MB, which those who only simulate do without

    folder.mkdir(parents=True, exist_ok=True)
    genes = np.array(dataset.genes, dtype=object)
    cells = cells or [f"cell_{cell:04d}" for cell in range(dataset.n_cells)]
    pd.DataFrame(dataset.expression, index=genes, columns=list(cells)).to_csv(folder / EXPRESSION)
    pd.DataFrame({"Gene": genes, "index": range(len(genes))}).to_csv(folder / TARGETS)
    pd.DataFrame({"TF": genes[dataset.tfs], "index": dataset.tfs}).to_csv(folder / TFS)
    pd.DataFrame(dataset.edges, columns=["TF", "Target"]).to_csv(folder / LABELS)
    pd.DataFrame(genes[dataset.edges], columns=["Gene1", "Gene2"]).to_csv(folder / NETWORK, index=False)
    if dataset.pseudotime is not None:
        write_pseudotime(folder / PSEUDOTIME, dataset.pseudotime, cells)


def _wire(settings: SimulatorSettings, rng: np.random.Generator) -> _Wiring:
    """Draw 1 to 4 TFs for each gene by hub weight; a TF gets only TFs before it, so that there are no cycles."""
    n_genes, n_tfs = settings.genes, settings.tfs
    weight = rng.permutation(np.arange(1, n_tfs + 1) ** -settings.hubs)
    score = np.log(weight) + rng.gumbel(size=(n_genes, n_tfs))  # k highest: k draws without replacement
    score[np.arange(n_genes)[:, None] <= np.arange(n_tfs)] = -np.inf
    more = MAX_REGULATORS - 1
    in_degree = 1 + rng.binomial(more, (settings.regulators - 1) / more, size=n_genes)
    in_degree[rng.random(n_genes) < UNREGULATED] = 0
    rank = np.argsort(np.argsort(-score, axis=1), axis=1)
    target, tf = np.nonzero((rank < in_degree[:, None]) & np.isfinite(score))
    n = len(tf)
    return _Wiring(
        genes=n_genes,
        tf=tf,
        target=target,
        represses=rng.random(n) < settings.repression,
        half=rng.lognormal(0.0, 0.3, size=n),
        strength=rng.uniform(0.8, 1.0, size=n),
    )


def _run(wiring: _Wiring, settings: SimulatorSettings, rng: np.random.Generator) -> Reals:
    """Return transcripts ``[genes, cells]`` at steady state, computed for each TF before its targets."""
    n_tfs = settings.tfs
    own = np.exp(settings.noise * rng.standard_normal((settings.genes, settings.cells)))
    drive = _programmes(n_tfs + OUTSIDE, settings, rng)
    own[:n_tfs] = drive[:n_tfs]
    alone = np.setdiff1d(np.arange(n_tfs, settings.genes), wiring.target)
    outside = n_tfs + rng.integers(OUTSIDE, size=len(alone))
    own[alone] *= LEAK + (1.0 - LEAK) * _bound(drive[outside], 1.0)
    activity = np.ones((n_tfs, settings.cells))  # of the TF proteins; 1 is the median cell
    for tf in range(n_tfs):
        activity[tf] = _response(wiring, wiring.target == tf, activity)[tf] * own[tf]
        activity[tf] /= np.median(activity[tf])
    rate = _response(wiring, wiring.target >= n_tfs, activity) * own
    rate[:n_tfs] = activity * np.exp(settings.hidden * rng.standard_normal(activity.shape))
    transcription, decay = rng.lognormal(0.0, 0.6, size=(2, settings.genes, 1))
    mean = transcription / decay * rate / rate.mean(axis=1, keepdims=True)
    mean *= settings.depth / mean.sum(axis=0).mean()
    transcripts: Reals = rng.gamma(mean / settings.burst, settings.burst)
    return transcripts


def _response(wiring: _Wiring, which: NDArray[np.bool_], activity: Reals) -> Reals:
    """Return relative rates ``[genes, cells]``: the mean of a gene's activations times all its repressions.

    ``which`` selects edges; a gene without a selected activation has the full rate.
    """
    tf, target, represses = wiring.tf[which], wiring.target[which], wiring.represses[which]
    bound = _bound(activity[tf], wiring.half[which, None])
    shape = (wiring.genes, activity.shape[1])
    activated, repressed = np.zeros(shape), np.ones(shape)
    np.add.at(activated, target[~represses], bound[~represses])
    np.multiply.at(repressed, target[represses], 1.0 - wiring.strength[which, None][represses] * bound[represses])
    activators = np.bincount(target[~represses], minlength=wiring.genes)[:, None]
    level = np.where(activators > 0, activated / np.maximum(activators, 1), 1.0)
    return (LEAK + (1.0 - LEAK) * level) * repressed


def _bound(activity: Reals, half: Reals | float) -> Reals:
    """Return the share of time that a promoter is bound (Hill equation)."""
    return 1.0 / (1.0 + (half / activity) ** HILL)


def _programmes(n_tfs: int, settings: SimulatorSettings, rng: np.random.Generator) -> Reals:
    """Return the activity ``[tfs, cells]`` of each TF apart from other TFs: lineage programmes and its own waves."""
    n_cells = settings.cells
    time, lineage = rng.random(n_cells), rng.integers(LINEAGES, size=n_cells)
    lineage[time < TRUNK] = -1
    waves = np.zeros((n_tfs, n_cells))
    for branch in range(-1, LINEAGES):
        cells = lineage == branch
        phase, speed = rng.uniform(0, 2 * np.pi, size=(n_tfs, 1)), rng.uniform(0.5, 3.0, size=(n_tfs, 1))
        waves[:, cells] = np.sqrt(2) * np.sin(2 * np.pi * speed * time[cells] + phase)
    waves = np.sqrt(WAVE) * waves + np.sqrt(1 - WAVE) * rng.standard_normal((n_tfs, n_cells))
    home, onset = rng.integers(LINEAGES, size=(n_tfs, 1)), rng.uniform(TRUNK, 1.0, size=(n_tfs, 1))
    masters = rng.random((n_tfs, 1)) < MASTERS
    switched = masters * (lineage == home) / (1 + np.exp(-(time - onset) / 0.05))
    drive: Reals = np.exp(settings.variation * waves + SWITCH * switched)
    return drive


def _sequence(transcripts: Reals, settings: SimulatorSettings, rng: np.random.Generator) -> Reals:
    """Return counts ``[genes, cells]``: each cell at its own depth, low counts dropped more often."""
    expected = transcripts * rng.lognormal(0.0, 0.3, size=transcripts.shape[1])
    counts = rng.poisson(expected).astype(np.float64)
    counts[rng.random(counts.shape) < settings.dropout / (settings.dropout + expected + 1e-12)] = 0.0
    silent = np.flatnonzero(~counts.any(axis=1))
    counts[silent, expected[silent].argmax(axis=1)] = 1.0  # a gene without any count would be refused
    empty = np.flatnonzero(~counts.any(axis=0))
    counts[expected[:, empty].argmax(axis=0), empty] = 1.0
    return counts


def _shuffled(expression: Floats, wiring: _Wiring, n_tfs: int, rng: np.random.Generator) -> Dataset:
    """Return the data set with genes and edges in random order, so that no index reveals a role."""
    order = rng.permutation(wiring.genes)  # row -> gene as wired
    row = np.argsort(order)
    edges = np.stack([row[wiring.tf], row[wiring.target]], axis=1)
    tfs = np.sort(row[:n_tfs])
    is_tf = np.isin(np.arange(wiring.genes), tfs)
    number = np.where(is_tf, np.cumsum(is_tf), np.cumsum(~is_tf))
    return Dataset(
        name="simulated",
        genes=tuple(f"TF{n:02d}" if tf else f"G{n:03d}" for tf, n in zip(is_tf, number, strict=True)),
        expression=np.ascontiguousarray(expression[order]),
        tfs=tfs,
        edges=rng.permutation(edges),
        block="simulated",
        network="simulated",
    )
