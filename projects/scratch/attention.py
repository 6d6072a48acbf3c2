"""Attention: averages of tokens, whose weights come from the tokens themselves.

Vaswani et al., "Attention Is All You Need", NIPS 2017, Sec. 3.2,
https://arxiv.org/abs/1706.03762. Patch embedding: Dosovitskiy et al., "An Image
Is Worth 16x16 Words", ICLR 2021, Sec. 3.1, https://arxiv.org/abs/2010.11929.

Legend: B sequences of L queries and S keys, E numbers for each token, N heads
with D of them each; C channels of an image, O of its patches, H and W in pixels,
H' x W' patches of h x w pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from projects.registry import MODELS
from projects.scratch.convolution import ScratchConv2d
from projects.scratch.dense import ScratchDropout, ScratchLinear


def softmax(scores: Tensor) -> Tensor:
    """Weights of at least 0 that sum to 1, the larger the larger the score.

    exp(s) over the sum of exp(s), where first the largest score is subtracted
    from all: the quotient stays, and exp cannot overflow.

    Args:
        scores: (..., S); minus infinity gets the weight 0.

    Returns:
        (..., S). Where all scores are minus infinity all weights are 0, as in
        torch's attention kernel; ``torch.softmax`` gives NaN there.
    """
    # detached: no result depends on it, so no gradient does
    highest = scores.detach().amax(-1, keepdim=True)
    # minus infinity less itself would be NaN
    highest = highest.masked_fill(highest == float('-inf'), 0.0)
    exps = (scores - highest).exp()
    sums = exps.sum(-1, keepdim=True)
    return exps / sums.masked_fill(sums == 0, 1.0)


def attention_weights(query: Tensor, key: Tensor, *masks: Tensor | None) -> Tensor:
    """How much each query looks at each key, Eq. 1 without the values.

    Args:
        query: (..., L, D).
        key: (..., S, D).
        masks: Each broadcasts to (..., L, S): booleans, True where a key is
            hidden from a query, or numbers that are added to the scores.

    Returns:
        (..., L, S); a row sums to 1, or to 0 if all keys are hidden from it.

    Raises:
        ValueError: If a mask holds neither booleans nor floating-point numbers.
    """
    # the deviation of a sum of D products grows by the root of D
    scores = query @ key.mT / query.shape[-1] ** 0.5
    for mask in masks:
        if mask is None:
            continue
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(mask, float('-inf'))
        elif mask.is_floating_point():
            scores = scores + mask
        else:
            raise ValueError(
                f'a mask must hold booleans or floating-point numbers: {mask.dtype}'
            )
    return softmax(scores)


@MODELS.register_module()
class ScratchSelfAttention(nn.Module):
    """Self-attention of one head: ``F.scaled_dot_product_attention`` behind
    three ``nn.Linear``.

    Maps (B, L, E) to (B, L, D) and to the weights, (B, L, L): row i says how
    much token i looks at each.

    Args:
        embed_dim: E.
        head_dim: D; E for None.
        bias: Whether queries, keys and values have a bias each.

    Raises:
        ValueError: On a call, if the input or the mask has another shape, or the
            mask holds neither booleans nor floating-point numbers.
    """

    def __init__(
        self, embed_dim: int, head_dim: int | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        head_dim = embed_dim if head_dim is None else head_dim
        self.q_proj = ScratchLinear(embed_dim, head_dim, bias)
        self.k_proj = ScratchLinear(embed_dim, head_dim, bias)
        self.v_proj = ScratchLinear(embed_dim, head_dim, bias)

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs and weights.

        Args:
            x: (B, L, E).
            attn_mask: (L, L) or (B, L, L): booleans, True where a token (the
                column) is hidden from another (the row), or numbers that are
                added to the scores.
        """
        if x.dim() != 3 or x.shape[2] != self.embed_dim:
            raise ValueError(f'expected (B, L, {self.embed_dim}), got {tuple(x.shape)}')
        num_sequences, length, _ = x.shape
        shapes = (length, length), (num_sequences, length, length)
        if attn_mask is not None and attn_mask.shape not in shapes:
            raise ValueError(
                f'expected an attn_mask of {shapes[0]} or {shapes[1]}, '
                f'got {tuple(attn_mask.shape)}'
            )
        weights = attention_weights(self.q_proj(x), self.k_proj(x), attn_mask)
        return weights @ self.v_proj(x), weights


@MODELS.register_module()
class ScratchMultiheadAttention(nn.Module):
    """``nn.MultiheadAttention`` with ``batch_first``: N heads side by side, each
    on its own part of the numbers, mixed by a last linear layer.

    Args:
        embed_dim: E.
        num_heads: N, a divisor of E.
        dropout: Probability that a weight is dropped in training.
        bias: Whether the four linear layers have biases.
        batch_first: Must be True.

    Raises:
        ValueError: If an argument is out of range or not supported, or the heads
            do not divide the numbers; on a call, if an input or a mask has
            another shape, a mask holds neither booleans nor floating-point
            numbers, or ``is_causal`` comes without ``attn_mask``.
    """

    # nn.TransformerEncoderLayer asks for it: in eval mode it would pass by this
    # layer and go to a kernel with its weights
    _qkv_same_embed_dim = False

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        batch_first: bool = True,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ValueError(f'{num_heads} heads do not divide embed_dim {embed_dim}')
        if not batch_first:
            raise ValueError(f'batch_first must be True: {batch_first}')
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.batch_first = batch_first
        self.dropout = ScratchDropout(dropout)
        # those of the queries, of the keys and of the values, one below another
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.register_parameter(
            'in_proj_bias', nn.Parameter(torch.zeros(3 * embed_dim)) if bias else None
        )
        self.out_proj = ScratchLinear(embed_dim, embed_dim, bias)
        nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def extra_repr(self) -> str:
        return f'{self.embed_dim}, {self.num_heads}'

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Outputs and weights.

        In both masks booleans are True where a key is hidden, and numbers are
        added to the scores.

        Args:
            query: (B, L, E).
            key: (B, S, E).
            value: (B, S, E).
            key_padding_mask: (B, S), of the keys of each sequence.
            need_weights: Whether the weights are returned.
            attn_mask: (L, S), or (B * N, L, S) for each head its own.
            average_attn_weights: Whether these are averages over the heads.
            is_causal: The twin's hint that ``attn_mask`` hides what follows;
                changes nothing here.

        Returns:
            (B, L, E), and the weights after dropout: (B, L, S), of each head
            (B, N, L, S), or None.
        """
        masks = self.checked_masks(query, key, value, key_padding_mask, attn_mask)
        if is_causal and attn_mask is None:
            raise ValueError('is_causal needs an attn_mask')
        q, k, v = self.heads(query, key, value)
        weights = self.dropout(attention_weights(q, k, *masks))  # (B, N, L, S)
        # (B, N, L, D), the heads side by side again: (B, L, E)
        out = self.out_proj((weights @ v).transpose(1, 2).flatten(2))
        if not need_weights:
            return out, None
        return out, weights.mean(1) if average_attn_weights else weights

    def heads(self, *inputs: Tensor) -> list[Tensor]:
        """Queries, keys and values, each (B, L or S, E), to (B, N, L or S, D)."""
        weights = self.in_proj_weight.chunk(3)
        biases = (0.0,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        return [
            (x @ weight.T + bias).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for x, weight, bias in zip(inputs, weights, biases, strict=True)
        ]

    def checked_masks(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None,
        attn_mask: Tensor | None,
    ) -> list[Tensor]:
        """Those that are there, broadcasting to (B, N, L, S); all shapes fit."""
        shapes = [tuple(x.shape) for x in (query, key, value)]
        if (
            any(len(shape) != 3 or shape[2] != self.embed_dim for shape in shapes)
            or shapes[0][0] != shapes[1][0]
            or shapes[1] != shapes[2]
        ):
            raise ValueError(
                f'expected a query (B, L, {self.embed_dim}), a key and a value '
                f'(B, S, {self.embed_dim}), got {shapes[0]}, {shapes[1]} and '
                f'{shapes[2]}'
            )
        (num_sequences, length, _), (_, num_keys, _), _ = shapes
        masks = []
        if attn_mask is not None:
            each = (num_sequences * self.num_heads, length, num_keys)
            if attn_mask.shape == each:
                attn_mask = attn_mask.unflatten(0, (num_sequences, self.num_heads))
            elif attn_mask.shape != each[1:]:
                raise ValueError(
                    f'expected an attn_mask of {each[1:]} or {each}, '
                    f'got {tuple(attn_mask.shape)}'
                )
            masks.append(attn_mask)
        if key_padding_mask is not None:
            if key_padding_mask.shape != (num_sequences, num_keys):
                raise ValueError(
                    f'expected a key_padding_mask of {(num_sequences, num_keys)}, '
                    f'got {tuple(key_padding_mask.shape)}'
                )
            masks.append(key_padding_mask[:, None, None])
        return masks


@MODELS.register_module()
class ScratchPatchEmbedding(ScratchConv2d):
    """``nn.Conv2d`` whose stride is its kernel: cuts an image into patches, each
    a token.

    Maps (B, C, H, W) to (B, O, H', W'), where H' = H // h and W' = W // w; rows
    and columns that are left at the end are not seen. No two patches share a
    pixel, so a reshape cuts them, and no pixel is stored more than once.

    Args:
        in_channels: C.
        out_channels: O, the numbers of a token.
        kernel_size: h and w, or one number for both.
        stride: None or ``kernel_size``.
        padding: Must be 0.
        dilation: Must be 1.
        groups: Must be 1.
        bias: Whether each of the numbers has one of its own added.

    Raises:
        ValueError: If an argument is out of range or not supported; on a call,
            if the input has other channels or is smaller than a patch.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        stride = kernel_size if stride is None else stride
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
        )
        if self.stride != self.kernel_size:
            raise ValueError(
                f'stride must be kernel_size {self.kernel_size}: {self.stride}'
            )
        if self.padding != (0, 0) or self.dilation != (1, 1) or groups != 1:
            raise ValueError(
                'padding must be 0, dilation and groups 1: '
                f'{self.padding}, {self.dilation}, {groups}'
            )

    def correlate(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, O, H', W') without bias."""
        tall, wide = self.kernel_size
        height, width = x.shape[2] // tall, x.shape[3] // wide
        x = x[:, :, : height * tall, : width * wide]
        # rows and columns of patches, and of pixels in them: (B, C, H', h, W', w)
        x = x.unflatten(2, (height, tall)).unflatten(4, (width, wide))
        # (B, H' * W', C * h * w): a row is one patch
        patches = x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        tokens = patches @ self.weight.flatten(1).T  # (B, H' * W', O)
        return tokens.mT.unflatten(2, (height, width))
