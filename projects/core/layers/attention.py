"""Scaled dot-product attention, fused or written out.

Vaswani et al., "Attention Is All You Need", NIPS 2017, Sec. 3.2.1,
https://arxiv.org/abs/1706.03762.

Legend: B sequences, N heads, L queries, S keys and values, D channels of a head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ScaledDotProductAttention(nn.Module):
    """softmax(query key^T / sqrt(D) + mask) value.

    Maps queries (..., L, D), keys and values (..., S, D) to (..., L, D). It has no
    weights. Both forms give the same up to rounding:

    - fused: ``torch.nn.functional.scaled_dot_product_attention``, which never
      holds the (..., L, S) attention as a whole; the default;
    - written out: three lines. The attention passes through ``softmax``, a module,
      so that a forward hook can see it.

    Args:
        fused: Whether to use the fused form; can be set at any time.
        dropout: Probability that an attention weight is set to 0 in training.
        scale: Factor of query key^T; None for 1 / sqrt(D).
    """

    def __init__(
        self, fused: bool = True, dropout: float = 0.0, scale: float | None = None
    ) -> None:
        super().__init__()
        self.fused = fused
        self.scale = scale
        self.softmax = nn.Softmax(dim=-1)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attend.

        Args:
            query: (..., L, D).
            key: (..., S, D).
            value: (..., S, D).
            mask: Added to the scores before the softmax, of a shape that
                broadcasts to (..., L, S); -inf hides a key from a query.
            causal: Whether a query sees only the keys up to its own, the last query
                being at the last key; without a mask.

        Raises:
            ValueError: If the mask holds booleans, which hide a key where they are
                True in some layers of torch and where they are False in others.
        """
        if mask is not None and mask.dtype == torch.bool:
            raise ValueError('a mask of booleans; expected numbers, -inf for hidden')
        num_queries, num_keys = query.shape[-2], key.shape[-2]
        # the kernel knows this mask, and leaves out the half that it hides
        by_kernel = causal and self.fused and num_queries == num_keys
        if causal and not by_kernel and num_queries > 1:  # one alone sees all
            mask = causal_mask(num_queries, num_keys, query)
        if self.fused:
            dropout = self.dropout.p if self.training else 0.0
            return F.scaled_dot_product_attention(
                query, key, value, mask, dropout, by_kernel, scale=self.scale
            )
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        scores = scale * query @ key.transpose(-2, -1)
        if mask is not None:
            scores = scores + mask
        return self.dropout(self.softmax(scores)) @ value


def causal_mask(num_queries: int, num_keys: int, like: Tensor) -> Tensor:
    """(L, S) numbers that are added to scores: -inf where a key is later than the
    query, the last query being at the last key.

    Args:
        num_queries: L.
        num_keys: S.
        like: Tensor whose device and kind of numbers it has.
    """
    hidden = like.new_full((num_queries, num_keys), float('-inf'))
    return hidden.triu(num_keys - num_queries + 1)
