"""The pairwise branch: encodes the two genes of a candidate pair.

Sources: scUniGP (eqs 6, b; 4.2; appendix C); scGREAT, Wang et al. 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from components.core.settings import Settings as BaseSettings
from components.core.settings import setting


@dataclass(frozen=True)
class LocalContext:
    """Projected neighbouring pairs: two ``[pairs, k, dim]`` (TFs, targets) and ``absent``, ``[pairs, k]`` bool."""

    tf: Tensor
    target: Tensor
    absent: Tensor


class PairEncoder(nn.Module):
    """Base of every pair encoder: projects each gene once, then encodes pairs.

    :meth:`project` takes ``[genes, in_width]`` to two ``[genes, dim]`` (as TF, as target); :meth:`forward` takes rows
    of these, two ``[pairs, dim]``, to ``[pairs, width]``. An encoder that sets ``context`` above zero is handed that
    many neighbouring pairs as :class:`LocalContext` as well.
    """

    width: int
    context: int = 0

    class Settings(BaseSettings):
        """What every pair encoder can be asked."""

        dim: int = setting(128, "width of a gene's token", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.2, "share of activations dropped", ge=0.0, le=0.9, search=(0.0, 0.5))

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project gene features ``[genes, in_width]`` into either role: two ``[genes, dim]``."""
        raise NotImplementedError

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode pairs of projected genes, two ``[pairs, dim]``, as ``[pairs, width]``."""
        raise NotImplementedError


def check_heads(heads: int, dim: int) -> None:
    """Refuse attention heads that cannot share a token's width evenly."""
    if dim % heads:
        raise ValueError(f"heads ({heads}) must divide dim ({dim})")
