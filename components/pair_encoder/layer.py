"""A transformer layer that takes the short way over two tokens."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.streams import dropout


class PairLayer(nn.TransformerEncoderLayer):
    """A post-norm layer over tokens ``[pairs, tokens, dim]``, with the weights of torch's own.

    Of two tokens, a softmax is a sigmoid of the difference of two scores. More tokens take torch's way.
    """

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Return tokens of the same shape."""
        if src.shape[1] != 2 or src_mask is not None or src_key_padding_mask is not None:
            return super().forward(src, src_mask, src_key_padding_mask, is_causal)
        x = self.norm1(src + self._dropped(self.attend(src), self.dropout1))
        hidden = self._dropped(self.activation(self.linear1(x)), self.dropout)
        return self.norm2(x + self._dropped(self.linear2(hidden), self.dropout2))

    def attend(self, x: Tensor) -> Tensor:
        """Return what either of two tokens ``[pairs, 2, dim]`` reads of both."""
        attention: Any = self.self_attn
        mapped = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = mapped.unflatten(2, (3, attention.num_heads, -1)).unbind(2)
        apart = (key[:, :1] - key[:, 1:]) / math.sqrt(key.shape[-1])
        to_first = torch.sigmoid((query * apart).sum(dim=-1, keepdim=True))
        weight = torch.cat([to_first, 1 - to_first], dim=-1)
        weight = dropout(weight, attention.dropout, training=self.training)
        read = weight[..., :1] * value[:, :1] + weight[..., 1:] * value[:, 1:]
        return attention.out_proj(read.flatten(2))

    def _dropped(self, x: Tensor, part: nn.Dropout) -> Tensor:
        return dropout(x, part.p, training=self.training)
