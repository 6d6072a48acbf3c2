"""What sequences need beside attention: a sense of place, and not to look too far.

Positional encoding: Vaswani et al., "Attention Is All You Need", NIPS 2017,
Sec. 3.5, https://arxiv.org/abs/1706.03762. Attention in a neighbourhood: the same,
Sec. 4 ("restricted self-attention"), and for speech Povey et al., "A
Time-Restricted Self-Attention Layer for ASR", ICASSP 2018.

Legend: B sequences of L tokens, E numbers for each, D of them for queries, keys and
values; W tokens in a neighbourhood.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from projects.registry import MODELS
from projects.scratch.attention import ScratchSelfAttention, attention_weights
from projects.scratch.windows import pair


def sinusoids(positions: Tensor, embed_dim: int, base: float = 10000.0) -> Tensor:
    """Sines and cosines by turns, each pair slower than the one before it.

    Args:
        positions: (L, ) of whole numbers; floating-point ones keep their type.
        embed_dim: E, even.
        base: The last pair turns nearly so many times slower than the first.

    Returns:
        (L, E): at position p, sin(p * f) and cos(p * f) for the frequencies
        f = base ** (-2 * i / E) of the pairs i = 0, 1, ...
    """
    if not positions.is_floating_point():
        positions = positions.to(torch.get_default_dtype())
    pairs = torch.arange(0, embed_dim, 2, device=positions.device)  # 2 * i
    angles = positions[:, None] * base ** (-pairs.to(positions) / embed_dim)
    # (L, E / 2, 2), the two of a pair side by side
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


@MODELS.register_module()
class ScratchPositionalEncoding(nn.Module):
    """Adds to each token what says where it stands; nothing to learn.

    Maps (B, L, E) to the same shape.

    Args:
        embed_dim: E, even.
        base: Of the frequencies, see :func:`sinusoids`; the paper's is 10,000.

    Raises:
        ValueError: If ``embed_dim`` is not even and positive or ``base`` is not
            above 1; on a call, if the input has another shape.
    """

    def __init__(self, embed_dim: int, base: float = 10000.0) -> None:
        super().__init__()
        if embed_dim < 2 or embed_dim % 2:
            raise ValueError(f'embed_dim must be even and positive: {embed_dim}')
        if not base > 1:
            raise ValueError(f'base must be above 1: {base}')
        self.embed_dim = embed_dim
        self.base = base

    def extra_repr(self) -> str:
        return f'{self.embed_dim}, base={self.base}'

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """(B, L, E), where the first token stands at the position ``first``."""
        if x.dim() != 3 or x.shape[2] != self.embed_dim:
            raise ValueError(f'expected (B, L, {self.embed_dim}), got {tuple(x.shape)}')
        positions = torch.arange(first, first + x.shape[1], device=x.device)
        # rounded at the end: bfloat16 has no 257
        return x + sinusoids(positions, self.embed_dim, self.base).to(x.dtype)


def outside(length: int, before: int, after: int) -> Tensor:
    """The mask that leaves each token its neighbourhood: a band is visible.

    Args:
        length: L.
        before: Tokens before a token that it sees.
        after: Tokens after it.

    Returns:
        (L, L) of booleans, True where a token (the column) is hidden from
        another (the row).
    """
    places = torch.arange(length)
    ahead = places - places[:, None]  # of the column before the row
    return (ahead < -before) | (ahead > after)


def neighbourhoods(x: Tensor, before: int, after: int) -> Tensor:
    """The neighbourhood of each token, with zeros beyond both ends.

    Args:
        x: (B, L, D).
        before: Tokens before a token.
        after: Tokens after it.

    Returns:
        (B, L, W, D), W = before + 1 + after. Its memory is that of one sequence
        with its ends.
    """
    ends = [x.new_zeros(x.shape[0], num, x.shape[2]) for num in (before, after)]
    longer = torch.cat([ends[0], x, ends[1]], 1)
    return longer.unfold(1, before + 1 + after, 1).mT


@MODELS.register_module()
class ScratchLocalSelfAttention(ScratchSelfAttention):
    """:class:`ScratchSelfAttention` in which a token sees its neighbourhood only.

    The same outputs as that one's with the mask :func:`outside`, but scores are
    computed where something is seen: L * W and not L * L of them.

    Maps (B, L, E) to (B, L, D) and to the weights, (B, L, W): in row i, column j
    says how much token i looks at token i - before + j, and is 0 where there is
    none.

    Args:
        embed_dim: E.
        reach: Tokens that are seen on each side, or a pair (before, after).
        head_dim: D; E for None.
        bias: Whether queries, keys and values have a bias each.

    Raises:
        ValueError: If ``reach`` is not one or two whole numbers of at least 0; on
            a call, if the input or the mask has another shape or the mask no
            booleans.
    """

    def __init__(
        self,
        embed_dim: int,
        reach: int | Sequence[int],
        head_dim: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(embed_dim, head_dim, bias)
        self.reach = pair(reach, 'reach', at_least=0)

    def extra_repr(self) -> str:
        return f'reach={self.reach}'

    def forward(
        self, x: Tensor, key_padding_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs and weights.

        Args:
            x: (B, L, E).
            key_padding_mask: (B, L) of booleans, True for what is no token but
                fills up a shorter sequence.
        """
        if x.dim() != 3 or x.shape[2] != self.embed_dim:
            raise ValueError(f'expected (B, L, {self.embed_dim}), got {tuple(x.shape)}')
        there = torch.ones_like(x[:, :, :1], dtype=torch.bool)  # (B, L, 1)
        if key_padding_mask is not None:
            if key_padding_mask.shape != x.shape[:2]:
                raise ValueError(
                    f'expected a key_padding_mask of {tuple(x.shape[:2])}, got '
                    f'{tuple(key_padding_mask.shape)}'
                )
            if key_padding_mask.dtype != torch.bool:
                raise ValueError(
                    f'key_padding_mask must hold booleans: {key_padding_mask.dtype}'
                )
            there = there & ~key_padding_mask[..., None]
        query = self.q_proj(x)[:, :, None]  # (B, L, 1, D)
        keys, values, there = (
            neighbourhoods(each, *self.reach)  # (B, L, W, D); W booleans of each
            for each in (self.k_proj(x), self.v_proj(x), there)
        )
        weights = attention_weights(query, keys, ~there.mT)  # (B, L, 1, W)
        return (weights @ values).squeeze(2), weights.squeeze(2)
