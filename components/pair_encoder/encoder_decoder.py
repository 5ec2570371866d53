"""Pair transformer with an encoder and a decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.pair_encoder.base import PairEncoder, TransformerSettings, token_map, transformer


@register("pair_encoder", "encoder_decoder")
class EncoderDecoder(PairEncoder):
    """Encodes a pair as two tokens by a transformer encoder, then a decoder layer that reads tokens and encoding.

    Two ``[pairs, dim]`` to ``[pairs, width]``. Tokens are a gene's features as they are, linearly mapped where these
    are not ``dim`` wide; they have no positions. The public code builds the decoder without ``batch_first``: it attends
    across the pairs of a batch, and a score depends on the pairs beside it. Here it attends across the two genes.

    Source: public code of HGATLink (aniani6aa/HGATLink), Sun & Gao 2025.
    """

    classified = True
    by_gene = True

    class Settings(TransformerSettings):
        """Settings of encoder, decoder and head; defaults are HGATLink's."""

        dim: int = setting(256, "width of a gene's token", ge=8, le=4096, search=(32, 64, 128, 256))
        dropout: float = setting(0.1, "share of activations dropped in the encoder", ge=0.0, le=0.9, search=(0.0, 0.5))
        layers: int = setting(2, "layers of the encoder", ge=1, le=12, search=(1, 4))
        heads: int = setting(4, "attention heads; must divide dim", ge=1, le=32, search=(2, 4, 8), divides="dim")
        hidden: float = setting(8.0, "width of the encoder's feed-forward part, in units of dim", ge=0.5, le=8.0)
        input_dropout: float = setting(0.5, "share of the tokens' values dropped", ge=0.0, le=0.9)
        decoder_dropout: float = setting(0.5, "share of activations dropped in the decoder", ge=0.0, le=0.9)
        decoder_hidden: float = setting(
            1.0, "width of the decoder's feed-forward part, in units of dim", ge=0.5, le=8.0
        )
        width: int = setting(256, "width of the pair encoding", ge=4, le=4096, search=(64, 512), log=True)
        head_dropout: float = setting(0.3, "share of the pair encoding dropped", ge=0.0, le=0.9)

    settings: Settings

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        s = self.settings = settings
        self.width = s.width
        self.token = token_map(in_width, s.dim)
        self.encoder = transformer(s, activation="relu")
        self.decoder = nn.TransformerDecoderLayer(
            s.dim, s.heads, round(s.decoder_hidden * s.dim), s.decoder_dropout, batch_first=True
        )
        self.head = nn.Sequential(
            nn.Linear(2 * s.dim, s.width), nn.Dropout(s.head_dropout), nn.BatchNorm1d(s.width), nn.GELU()
        )

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens as ``[pairs, width]``."""
        tokens = F.dropout(torch.stack([tf, target], dim=1), self.settings.input_dropout, self.training)
        return self.head(self.decoder(tokens, self.encoder(tokens)).flatten(1))
