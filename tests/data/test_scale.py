from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from components.data import readers
from components.data.scale import judge
from components.data.simulator import SimulatorSettings, simulate

BEELINE = Path(__file__).parents[3] / "shared" / "data" / "beeline"
PUBLISHED = readers.find(BEELINE) if BEELINE.is_dir() else []


@pytest.fixture
def counts() -> np.ndarray:
    """Shallow counts ``[genes, cells]``, at most 15."""
    rng = np.random.default_rng(0)
    return np.minimum(rng.poisson(rng.gamma(2.0, 1.0, (60, 1)) * rng.gamma(5.0, 0.2, (1, 40))), 15).astype(np.float32)


UNLOGGED = {
    "counts": (lambda c: c, "counts", "whole numbers"),
    "one high value": (lambda c: c * 100 + 0.25, "unlogged", "exceeds 20"),
    "scaled counts": (lambda c: c * 0.93, "unlogged", "each cell"),
    "halves of counts": (lambda c: c / 2, "unlogged", "each cell"),  # means of two runs, reads that map twice
    "size-normalised": (lambda c: c / c.sum(axis=0) * 100, "unlogged", "one sum"),
    "size-normalised, fewer genes": (lambda c: (c / c.sum(axis=0) * 100)[:50], "unlogged", "each cell"),
    "ambient removed per gene": (
        lambda c: np.maximum(c - 0.317 * c.mean(axis=1, keepdims=True), 0),
        "unlogged",
        "each gene",
    ),
}
LOGGED = {
    "log1p": lambda c: np.log1p(c / c.sum(axis=0) * 1e4),
    "log1p, two decimals": lambda c: np.log1p(c / c.sum(axis=0) * 1e4).round(2),
    "log1p, one decimal": lambda c: np.log1p(c / c.sum(axis=0) * 1e4).round(1),
    "log2 of counts": lambda c: np.log2(1 + c),
    "log2 of millions": lambda c: np.log2(1 + c / c.sum(axis=0) * 1e6),
    "log10": lambda c: np.log10(1 + c / c.sum(axis=0) * 1e4),
    "quantile-normalised": lambda c: np.repeat(np.linspace(0.1, 9.3, 60)[:, None] ** 1.1, 40, 1)[
        c.argsort(0).argsort(0), 0
    ],
}


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", UNLOGGED)
def test_values_without_a_logarithm_are_reported_with_the_reason(counts, name, kind):
    change, expected, reason = UNLOGGED[name]
    scale = judge(kind(change(counts)))
    assert scale.kind == expected and reason in scale.why


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", LOGGED)
def test_log_values_of_any_base_are_log_values(counts, name, kind):
    assert judge(kind(LOGGED[name](counts).astype(np.float32))).kind == "log"


@pytest.mark.parametrize("settings", [{}, {"genes": 20, "tfs": 4, "cells": 20}, {"depth": 100.0}])
def test_simulated_values_are_log_values(settings):
    assert judge(simulate(SimulatorSettings(**settings)).expression).kind == "log"


@pytest.mark.skipif(not PUBLISHED, reason="the published data are not beside this checkout (shared/data)")
def test_a_published_set_is_on_the_log_scale():
    smallest = min(PUBLISHED, key=lambda folder: (folder / readers.EXPRESSION).stat().st_size)
    assert judge(readers.read(smallest).expression).kind == "log"
