"""Makes a single-cell data set of the size that a lab brings: a sparse .h5ad file, a network and a list of TFs.

``components.data.simulator`` holds every value of every edge in every cell at once and gives a gene four TFs at most.
Here
a gene has as many TFs as are asked for, and its expected counts follow its TFs' activities; counts are drawn in
chunks of cells and kept sparse from the start, so that memory follows what is not zero.

    .venv/bin/python bench/make_large.py DIR --genes 5000 --cells 20000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from components.core.dataset import Floats, Ints

__all__ = ["make_large"]

CHUNK = 1000  # cells drawn at once
LINEAGES = 5


def make_large(
    folder: Path,
    *,
    genes: int = 5000,
    cells: int = 20_000,
    tfs: int = 200,
    edges: int = 100_000,
    depth: int = 1000,
    seed: int = 0,
) -> Path:
    """Write ``large.h5ad``, ``network.csv``, ``tfs.csv`` and a study file of one data set, which is returned.

    Parameters
    ----------
    folder
        Made if it does not exist.
    genes, cells, tfs, edges
        Size; the first ``tfs`` genes regulate.
    depth
        Mean counts per cell: what is not zero grows with it.
    seed
        The same seed and size give the same data set.
    """
    import anndata
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = np.array([f"TF{i:03d}" if i < tfs else f"G{i:05d}" for i in range(genes)])
    network = _network(genes, tfs, edges, rng)
    matrix = sparse.vstack(list(_cells(network, (genes, cells, tfs), depth, rng)), format="csr")
    matrix = _without_silence(matrix, rng)
    frames = [pd.DataFrame(index=index) for index in ([f"cell{i}" for i in range(cells)], names)]
    anndata.AnnData(matrix, obs=frames[0], var=frames[1]).write_h5ad(folder / "large.h5ad")
    pd.DataFrame({"Gene1": names[network[:, 0]], "Gene2": names[network[:, 1]]}).to_csv(
        folder / "network.csv", index=False
    )
    pd.DataFrame({"TF": names[:tfs]}).to_csv(folder / "tfs.csv", index=False)
    return _study(folder)


def _network(genes: int, tfs: int, edges: int, rng: np.random.Generator) -> Ints:
    """Draw ``[edges, 2]`` distinct edges, no self-edge; a TF's share of them follows a power law."""
    weight = np.log(rng.permutation(np.arange(1, tfs + 1) ** -0.5))
    score = weight[:, None] + rng.gumbel(size=(tfs, genes))  # the highest: draws without replacement
    score[np.arange(tfs), np.arange(tfs)] = -np.inf
    chosen = np.argpartition(score.ravel(), -edges)[-edges:]
    return rng.permutation(np.stack(np.unravel_index(chosen, score.shape), axis=1))


def _cells(
    network: Ints, size: tuple[int, int, int], depth: int, rng: np.random.Generator
) -> Iterator[sparse.csr_matrix]:
    """Yield ``[chunk, genes]`` of log1p counts per 10,000."""
    genes, cells, tfs = size
    ones = np.ones(len(network), dtype=np.float32)
    regulates = sparse.csr_matrix((ones, (network[:, 0], network[:, 1])), shape=(tfs, genes))
    regulators = np.maximum(np.asarray(regulates.sum(axis=0)).ravel(), 1)
    programme = rng.normal(0.0, 1.0, size=(LINEAGES, tfs)).astype(np.float32)
    level = rng.lognormal(0.0, 1.0, size=genes).astype(np.float32)
    for start in range(0, cells, CHUNK):
        n = min(CHUNK, cells - start)
        own = rng.normal(0.0, 1.0, size=(n, tfs)).astype(np.float32)
        activity = np.exp(programme[rng.integers(LINEAGES, size=n)] + own)
        bound = activity / (1.0 + activity)
        rate: Floats = (bound @ regulates) / regulators + 0.05
        rate[:, :tfs] += bound
        rate *= level
        counts = sparse.csr_matrix(rng.poisson(depth * rate / rate.sum(axis=1, keepdims=True)).astype(np.float32))
        total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
        counts = sparse.diags(1e4 / total).astype(np.float32) @ counts
        yield counts.log1p().tocsr()


def _without_silence(matrix: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """Give each gene without counts one count: a gene with one value in every cell is refused."""
    silent = np.flatnonzero(np.asarray(matrix.getnnz(axis=0)) == 0)
    where = (rng.integers(matrix.shape[0], size=len(silent)), silent)
    counts = sparse.csr_matrix((np.ones(len(silent), dtype=np.float32), where), shape=matrix.shape)
    return (matrix + counts).tocsr()


def _study(folder: Path) -> Path:
    path = folder / "large.yaml"
    path.write_text(
        "name: large\n"
        "datasets:\n"
        "  - {path: large.h5ad, network_file: network.csv, tfs_file: tfs.csv, name: large}\n"
        "preset: knockout-small\n"
        "controls: [degree]\n"
        "repeats: 1\n"
        # every step reads all genes x cells: large batches, as docs/scale.md says
        "training: {epochs: 1, graph_epochs: 1, batch_size: 8192, graph_batch_size: 8192}\n"
        "lanes: cpu:1\n"
    )
    return path


def main() -> None:
    """Make a data set from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name, default in (("genes", 5000), ("cells", 20_000), ("tfs", 200), ("edges", 100_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = vars(parser.parse_args())
    print(make_large(given.pop("folder"), **given))


if __name__ == "__main__":
    main()
