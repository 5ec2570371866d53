"""Base of pair encoders, and what the two pair transformers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.pair_encoder.layer import PairLayer


@dataclass(frozen=True)
class LocalContext:
    """Pairs of the graph that share a gene with each candidate pair, up to ``k`` of them.

    Attributes
    ----------
    tf, target
        Gene indices ``[pairs, k]``; as an encoder reads them, projected genes ``[pairs, k, dim]``.
    absent
        ``[pairs, k]`` bool: slots without a pair, because the gene has no neighbour besides its partner.
    """

    tf: Tensor
    target: Tensor
    absent: Tensor


class PairEncoder(nn.Module):
    """Base of every pair encoder: projects each gene once, then encodes pairs of projected genes.

    Attributes
    ----------
    width
        Width of a pair's encoding.
    token
        Map of features to tokens, where it is one for both roles.
    context
        Neighbouring pairs that :meth:`forward` is given as a third argument, :class:`LocalContext`; 0 for none.
    classified
        Whether the encoding is the last hidden layer of a classifier: where nothing is fused, one linear map gives the
        logit.
    by_gene
        Whether :meth:`project` maps each gene alone, whichever others there are: a small batch then projects its own
        genes in place of all.
    dropped_by_pair
        Whether training projects the genes of every pair anew, so that what :meth:`project` drops is drawn for each
        pair and not once for all pairs of a gene.
    common
        Whether :meth:`forward` is given the sum of the tokens of common neighbours as a third argument.
    """

    width: int
    token: nn.Module
    context: int = 0
    classified: ClassVar[bool] = False
    by_gene: ClassVar[bool] = False
    dropped_by_pair: ClassVar[bool] = False
    common: ClassVar[bool] = False

    class Settings(BaseSettings):
        """Settings common to all pair encoders."""

        dim: int = setting(128, "width of a gene's token", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.2, "share of activations dropped", ge=0.0, le=0.9, search=(0.0, 0.5))

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project gene features ``[genes, in_width]`` as TF and as target, two ``[genes, dim]``: here by one map."""
        token = self.token(features)
        return token, token

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode pairs of projected genes, two ``[pairs, dim]``, as ``[pairs, width]``."""
        raise NotImplementedError


class TransformerSettings(PairEncoder.Settings):
    """Settings common to the pair transformers; defaults are scUniGP's."""

    layers: int = setting(4, "transformer layers", ge=1, le=12, search=(1, 4))
    heads: int = setting(8, "attention heads; must divide dim", ge=1, le=32, search=(2, 4, 8), divides="dim")
    hidden: float = setting(2.0, "width of the feed-forward part, in units of dim", ge=0.5, le=8.0)


def transformer(settings: TransformerSettings, activation: Literal["gelu", "relu"] = "gelu") -> nn.TransformerEncoder:
    """Return a post-norm transformer over tokens ``[pairs, tokens, dim]``."""
    s = settings
    block = PairLayer(s.dim, s.heads, round(s.hidden * s.dim), s.dropout, activation=activation, batch_first=True)
    return nn.TransformerEncoder(block, s.layers, enable_nested_tensor=False)


def token_map(in_width: int, dim: int) -> nn.Module:
    """Return a map of features ``[genes, in_width]`` to tokens ``[genes, dim]``: none, where they are as wide."""
    return nn.Identity() if in_width == dim else nn.Linear(in_width, dim)
