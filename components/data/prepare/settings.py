"""Settings of preparing a data set, in a module without heavy imports: the command line reads its help here."""

from __future__ import annotations

from typing import Literal

from components.core.settings import Settings, setting


class PrepareSettings(Settings):
    """Which values and genes of a lab's expression make the data set."""

    genes: int = setting(500, "most variable genes to keep beside the TFs", ge=0, unit="genes")
    min_cells_share: float = setting(0.1, "drop genes detected in a smaller share of the cells", ge=0.0, le=1.0)
    counts: Literal["auto", "raw", "log"] = setting("auto", "what the values are: raw, log, or auto to look at them")
    library_size: float = setting(
        0.0, "counts that raw counts are scaled to in every cell; 0: the median over the cells", ge=0.0, unit="counts"
    )
    p_value: float = setting(
        0.01, "with a gene ordering: drop genes whose p, times the genes tested, is not smaller", ge=0.0, le=1.0
    )
    layer: str = setting("X", ".h5ad: where the values are: X, raw (for .raw) or the name of a layer")
    gene_column: str = setting("", ".h5ad: column of var with the gene symbols; default: the names of var")
    repair_dates: bool = setting(False, "turn names such as 1-Sep back into gene symbols; otherwise only report them")
