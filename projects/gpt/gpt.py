"""GPT and GPT-2: a stack of blocks that reads a text from left to right.

Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018
(GPT), Sec. 3.1 and 4.1; Radford et al., "Language Models are Unsupervised Multitask
Learners", 2019 (GPT-2), Sec. 2.3 and Table 2.

Parameters have the names of transformers' ``GPT2Model``; weights of linear layers
are (out, in), as all of torch's.

Legend: B texts, T tokens, S tokens with those before them, D width of a hidden
state, N heads, V tokens of the vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.layers import KeyValueCache, ScaledDotProductAttention
from projects.core.tasks.attention_recording import recorded_attention
from projects.core.tasks.language.backbones import SequenceBackbone
from projects.registry import MODELS


@dataclass(frozen=True)
class GPTArch:
    """Sizes of a GPT.

    Args:
        embed_dims: D.
        num_blocks: Blocks.
        num_heads: N, a divisor of D.

    Raises:
        ValueError: If there is no block, or the heads do not share D evenly.
    """

    embed_dims: int
    num_blocks: int
    num_heads: int

    def __post_init__(self) -> None:
        if self.num_blocks < 1:
            raise ValueError(f'num_blocks {self.num_blocks}: 1 at least')
        if self.embed_dims % self.num_heads:
            raise ValueError(
                f'num_heads {self.num_heads} does not divide embed_dims '
                f'{self.embed_dims}'
            )


class CausalSelfAttention(nn.Module):
    """Each token looks at itself and at those before it, (B, T, D) to (B, T, D).

    Args:
        arch: Sizes.
        dropout: Probability of dropout of attention weights and of the output.
        fused_attention: See :class:`GPT`.
    """

    def __init__(self, arch: GPTArch, dropout: float, fused_attention: bool) -> None:
        super().__init__()
        self.heads = arch.num_heads, arch.embed_dims // arch.num_heads
        self.c_attn = nn.Linear(arch.embed_dims, 3 * arch.embed_dims)
        self.c_proj = nn.Linear(arch.embed_dims, arch.embed_dims)
        self.attention = ScaledDotProductAttention(fused_attention, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        # (B, T, 3 D) to three of (B, N, T, D / N)
        qkv = self.c_attn(x).unflatten(2, (3, *self.heads))
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()
        if cache is not None:
            key, value = cache.append(key, value)  # (B, N, S, D / N)
        x = self.attention(query, key, value, causal=True)
        return self.dropout(self.c_proj(x.transpose(1, 2).flatten(2)))


class MLP(nn.Module):
    """Two linear layers on each token by itself, (B, T, D) to (B, T, D)."""

    def __init__(self, embed_dims: int, dropout: float) -> None:
        super().__init__()
        self.c_fc = nn.Linear(embed_dims, 4 * embed_dims)
        self.c_proj = nn.Linear(4 * embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate='tanh')))


class Block(nn.Module):
    """Attention, then an MLP, each added to what it is given.

    Maps (B, T, D) to (B, T, D).

    Args:
        arch: Sizes.
        dropout: See :class:`GPT`.
        pre_norm: See :class:`GPT`.
        fused_attention: See :class:`GPT`.
    """

    def __init__(
        self, arch: GPTArch, dropout: float, pre_norm: bool, fused_attention: bool
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.ln_1 = nn.LayerNorm(arch.embed_dims)
        self.attn = CausalSelfAttention(arch, dropout, fused_attention)
        self.ln_2 = nn.LayerNorm(arch.embed_dims)
        self.mlp = MLP(arch.embed_dims, dropout)

    def forward(self, x: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        if self.pre_norm:  # GPT-2, Sec. 2.3: "moved to the input of each sub-block"
            x = x + self.attn(self.ln_1(x), cache)
            return x + self.mlp(self.ln_2(x))
        x = self.ln_1(x + self.attn(x, cache))
        return self.ln_2(x + self.mlp(x))


@MODELS.register_module()
class GPT(SequenceBackbone):
    """Embeddings of tokens and positions, then blocks.

    No hidden state depends on later tokens. The scores of the next token are the
    products with the embeddings of all tokens: there is no output matrix.

    Args:
        arch: A key of ``arch_settings``, or the three of a :class:`GPTArch`.
        vocab_size: V.
        max_length: Positions, T at most.
        pre_norm: Whether norms come before attention and MLP, and one after the
            last block, as in GPT-2; else after each of the two, as in GPT.
        dropout: Probability of dropout of embeddings, of attention weights, and of
            what a block adds.
        fused_attention: Whether attention is computed by torch's fused kernel; else
            it is written out, see
            :class:`projects.core.layers.ScaledDotProductAttention`.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; without
            one that of the papers.

    Raises:
        ValueError: If ``arch`` is none, or there is no token or no position.
    """

    arch_settings = {
        'small': GPTArch(768, 12, 12),  # GPT, Sec. 4.1; GPT-2, Table 2
        'medium': GPTArch(1024, 24, 16),
        'large': GPTArch(1280, 36, 20),
        'xl': GPTArch(1600, 48, 25),
    }

    def __init__(
        self,
        arch: str | Sequence[int] = 'small',
        vocab_size: int = 50257,
        max_length: int = 1024,
        pre_norm: bool = True,
        dropout: float = 0.1,
        fused_attention: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if isinstance(arch, str) and arch not in self.arch_settings:
            raise ValueError(f"arch '{arch}' not in {list(self.arch_settings)}")
        for name, value in dict(vocab_size=vocab_size, max_length=max_length).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f'{name} {value}: a whole number, 1 at least')
        sizes = self.arch_settings[arch] if isinstance(arch, str) else GPTArch(*arch)
        self.arch = sizes
        self.embed_dims = sizes.embed_dims
        self.vocab_size = vocab_size
        self.max_length = max_length
        self.wte = nn.Embedding(vocab_size, sizes.embed_dims)
        self.wpe = nn.Embedding(max_length, sizes.embed_dims)
        self.drop = nn.Dropout(dropout)
        self.h = nn.ModuleList(
            Block(sizes, dropout, pre_norm, fused_attention)
            for _ in range(sizes.num_blocks)
        )
        self.ln_f = nn.LayerNorm(sizes.embed_dims) if pre_norm else nn.Identity()
        for name, weight in self.named_parameters():
            if name.endswith('bias'):
                nn.init.zeros_(weight)
            elif weight.dim() == 2:
                # GPT-2: a sum of 2 x num_blocks layers' outputs stays as large as one
                adds_up = pre_norm and name.endswith('c_proj.weight')
                scale = math.sqrt(2 * sizes.num_blocks) if adds_up else 1.0
                nn.init.normal_(weight, std=0.02 / scale)

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor | None = None,
        state: tuple[KeyValueCache, ...] | None = None,
    ) -> tuple[Tensor, tuple[KeyValueCache, ...] | None]:
        """Hidden states, see :class:`~projects.core.tasks.language.backbones.
        SequenceBackbone`.

        Padding stands behind the tokens, which do not see it: ``lengths`` are not
        needed.
        """
        first = 0 if state is None else state[0].length
        last = first + tokens.shape[1]
        self.check_length(last)
        x = self.drop(self.wte(tokens) + self.wpe.weight[first:last])
        for i, block in enumerate(self.h):
            x = block(x, None if state is None else state[i])
        return self.ln_f(x), state

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.wte.weight)

    def begin(self, batch_size: int, max_length: int) -> tuple[KeyValueCache, ...]:
        """Room for the keys and values of each block."""
        self.check_length(max_length)
        num_heads, head_dims = self.h[0].attn.heads
        return tuple(
            KeyValueCache(batch_size, num_heads, max_length, head_dims, self.wpe.weight)
            for _ in self.h
        )

    def attention_maps(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """(B, N, T, T) of each block, as 'decoder 0': rows are queries, of sum 1."""
        with recorded_attention(self) as maps:
            self(inputs['tokens'])
        return {f'decoder {i}': attention for i, attention in enumerate(maps)}
