"""The layers of a Transformer, after Vaswani et al., "Attention Is All You Need",
NIPS 2017, Sec. 3, https://arxiv.org/abs/1706.03762.

Weights have the names of ``torch.nn.Transformer``.

Legend: B sequences, S tokens of a source, T of a target, L queries, N heads, D width
of a hidden state.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.layers import KeyValueCache, ScaledDotProductAttention
from projects.registry import MODELS

LAYOUTS = ('interleaved', 'halves')


def sinusoids(num_positions: int, embed_dims: int, layout: str) -> Tensor:
    """What tells a position: sines and cosines of many wavelengths (Sec. 3.5).

    The one of pair i has the wavelength 2 pi 10000 ** (2 i / D), in tokens.

    Args:
        num_positions: From 0 on.
        embed_dims: D, even.
        layout: 'interleaved' for sine and cosine of each pair side by side, as in
            the paper; 'halves' for all sines before all cosines, as in Marian.

    Returns:
        (num_positions, D) of float32.
    """
    options = dict(dtype=torch.float64, device='cpu')
    positions = torch.arange(num_positions, **options)[:, None]
    exponents = torch.arange(0, embed_dims, 2, **options) / embed_dims
    angles = positions / 10000**exponents
    pairs = torch.stack([angles.sin(), angles.cos()], -1)  # (positions, D / 2, 2)
    if layout == 'halves':
        pairs = pairs.transpose(1, 2)
    return pairs.flatten(1).float()


class SinusoidalPositions(nn.Module):
    """Adds to each token what tells its position; nothing is learnt.

    The table is no buffer: it is computed for as many positions as there were.

    Args:
        embed_dims: D, even.
        layout: See :func:`sinusoids`.

    Raises:
        ValueError: If D is odd, or there is no such layout.
    """

    def __init__(self, embed_dims: int, layout: str) -> None:
        super().__init__()
        if embed_dims % 2:
            raise ValueError(f'embed_dims {embed_dims}: an even number, for pairs')
        if layout not in LAYOUTS:
            raise ValueError(f"positions '{layout}' not in {list(LAYOUTS)}")
        self.embed_dims = embed_dims
        self.layout = layout
        self._table = torch.zeros(0, embed_dims, device='cpu')

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """(B, T, D) whose first token is at position ``first``."""
        last = first + x.shape[1]
        if last > len(self._table):
            table = sinusoids(max(256, 2 * last), self.embed_dims, self.layout)
            self._table = table
        if self._table.device != x.device:
            self._table = self._table.to(x.device)
        return x + self._table[first:last].to(x.dtype)


class MultiheadAttention(nn.Module):
    """Attention of N heads, each in a D / N part of the width (Sec. 3.2.2).

    Weights have the names and the initial values of ``torch.nn.MultiheadAttention``:
    the matrices W_Q, W_K, W_V of all heads are one, one above the other.

    Args:
        embed_dims: D.
        num_heads: N, a divisor of D.
        dropout: Probability that an attention weight is set to 0.
        fused: Whether to use torch's kernel, see
            :class:`projects.core.layers.ScaledDotProductAttention`.

    Raises:
        ValueError: If the heads do not share D evenly.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, dropout: float, fused: bool
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dims % num_heads:
            raise ValueError(
                f'num_heads {num_heads} does not divide embed_dims {embed_dims}'
            )
        self.heads = num_heads, embed_dims // num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dims, embed_dims))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dims))
        self.attention = ScaledDotProductAttention(fused, dropout)
        self.out_proj = nn.Linear(embed_dims, embed_dims)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def project(self, x: Tensor, first: int, last: int) -> tuple[Tensor, ...]:
        """Some of queries, keys and values, which are 0, 1 and 2.

        Args:
            x: (B, T, D).
            first: The first of them.
            last: The one before which to stop.

        Returns:
            Of each (B, N, T, D / N).
        """
        rows = slice(first * x.shape[2], last * x.shape[2])
        x = F.linear(x, self.in_proj_weight[rows], self.in_proj_bias[rows])
        x = x.unflatten(2, (last - first, *self.heads))
        return x.permute(2, 0, 3, 1, 4).unbind()

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attend with what :meth:`project` gives.

        Args:
            query: (B, N, L, D / N).
            key: (B, N, S, D / N).
            value: (B, N, S, D / N).
            mask: Added to the scores, (B or 1, 1, L or 1, S).
            causal: See :class:`projects.core.layers.ScaledDotProductAttention`.

        Returns:
            (B, L, D).
        """
        x = self.attention(query, key, value, mask, causal)
        return self.out_proj(x.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """What layers of encoder and decoder share: the network of each token by itself
    (Sec. 3.3).

    Args:
        embed_dims: D.
        feedforward_dims: Width of the hidden layer of that network.
        dropout: Probability of dropout of what each of the parts adds (Sec. 5.4).
        act_cfg: Activation of the hidden layer.
    """

    def __init__(
        self, embed_dims: int, feedforward_dims: int, dropout: float, act_cfg: dict
    ) -> None:
        super().__init__()
        self.linear1 = nn.Linear(embed_dims, feedforward_dims)
        self.activation = MODELS.build(act_cfg)
        self.linear2 = nn.Linear(feedforward_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)

    def feedforward(self, x: Tensor) -> Tensor:
        """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2 (Eq. 2)."""
        return self.linear2(self.activation(self.linear1(x)))


class EncoderLayer(Layer):
    """Self-attention, then a network on each token: x = LayerNorm(x + part(x)).

    Args:
        embed_dims: D.
        num_heads: N.
        feedforward_dims: See :class:`Layer`.
        dropout: See :class:`Layer`.
        attention_dropout: See :class:`MultiheadAttention`.
        act_cfg: See :class:`Layer`.
        fused: See :class:`MultiheadAttention`.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_dims: int,
        dropout: float,
        attention_dropout: float,
        act_cfg: dict,
        fused: bool,
    ) -> None:
        super().__init__(embed_dims, feedforward_dims, dropout, act_cfg)
        self.self_attn = MultiheadAttention(
            embed_dims, num_heads, attention_dropout, fused
        )
        self.norm1 = nn.LayerNorm(embed_dims)
        self.norm2 = nn.LayerNorm(embed_dims)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, S, D) to (B, S, D); the mask hides padding, (B, 1, 1, S)."""
        query, key, value = self.self_attn.project(x, 0, 3)
        x = self.norm1(x + self.dropout(self.self_attn(query, key, value, mask)))
        return self.norm2(x + self.dropout(self.feedforward(x)))


class DecoderLayer(Layer):
    """Causal self-attention, attention to the encoder, a network on each token.

    Args:
        embed_dims: D.
        num_heads: N.
        feedforward_dims: See :class:`Layer`.
        dropout: See :class:`Layer`.
        attention_dropout: See :class:`MultiheadAttention`.
        act_cfg: See :class:`Layer`.
        fused: See :class:`MultiheadAttention`.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_dims: int,
        dropout: float,
        attention_dropout: float,
        act_cfg: dict,
        fused: bool,
    ) -> None:
        super().__init__(embed_dims, feedforward_dims, dropout, act_cfg)
        attention = embed_dims, num_heads, attention_dropout, fused
        self.self_attn = MultiheadAttention(*attention)
        self.multihead_attn = MultiheadAttention(*attention)
        self.norm1 = nn.LayerNorm(embed_dims)
        self.norm2 = nn.LayerNorm(embed_dims)
        self.norm3 = nn.LayerNorm(embed_dims)

    def forward(
        self,
        x: Tensor,
        source: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            x: Of the target.
            source: Keys and values of the source, each (B, N, S, D / N), as
                ``multihead_attn.project(memory, 1, 3)`` gives them.
            mask: Hides padding of the source, (B, 1, 1, S).
            cache: Of the target's tokens before, which takes in these.
        """
        query, key, value = self.self_attn.project(x, 0, 3)
        if cache is not None:
            key, value = cache.append(key, value)
        x = self.norm1(x + self.dropout(self.self_attn(query, key, value, causal=True)))
        (query,) = self.multihead_attn.project(x, 0, 1)
        x = self.norm2(x + self.dropout(self.multihead_attn(query, *source, mask)))
        return self.norm3(x + self.dropout(self.feedforward(x)))
