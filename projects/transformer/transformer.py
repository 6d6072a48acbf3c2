"""Transformer, after Vaswani et al., "Attention Is All You Need", NIPS 2017,
https://arxiv.org/abs/1706.03762.

Legend: B sequences, S tokens of a source, T of a target, N heads, D width of a
hidden state, V tokens of the vocabulary. Differences from the paper: README,
"Notes".
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.layers import KeyValueCache
from projects.core.tasks.attention_recording import recorded_attention
from projects.core.tasks.language.backbones import (
    EncoderDecoderBackbone,
    hiding_mask,
)
from projects.registry import MODELS
from projects.transformer.layers import DecoderLayer, EncoderLayer, SinusoidalPositions

RELU = dict(type='ReLU')
# hidden states of the source, and the mask that hides its padding
Memory = tuple[Tensor, Tensor | None]
# of each layer, keys and values of the target so far, and of the source
State = tuple[tuple[KeyValueCache, tuple[Tensor, Tensor]], ...]


class Stack(nn.Module):
    """Layers, and a norm where there is one, under torch's names."""

    def __init__(self, layers: list[nn.Module], norm: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm


@MODELS.register_module()
class Transformer(EncoderDecoderBackbone):
    """An encoder-decoder of attention alone.

    Source and target share a vocabulary, and one (V, D) matrix embeds both and
    gives the scores (Sec. 3.4). Each layer normalises after it adds (Sec. 3.1).
    The default sizes are those of the base model (Table 3).

    Args:
        vocab_size: V.
        embed_dims: D.
        num_heads: N, a divisor of D.
        num_encoder_layers: Layers that read the source.
        num_decoder_layers: Layers that write the target.
        feedforward_dims: Width of the network's hidden layer in each layer.
        dropout: Probability of dropout of embeddings and of what a part of a layer
            adds.
        attention_dropout: Probability that an attention weight is set to 0.
        act_cfg: Activation of the networks.
        final_norm: Whether encoder and decoder end with a norm, as
            ``torch.nn.Transformer``.
        positions: 'interleaved' or 'halves', see :func:`projects.transformer.
            layers.sinusoids`.
        output_bias: Whether the scores have a bias, as Marian's.
        max_length: Most tokens of a source or a target; None for any number.
        fused_attention: Whether attention is computed by torch's kernel; else it is
            written out, see :class:`projects.core.layers.ScaledDotProductAttention`.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If a size is below 1, the heads do not share D evenly, D is odd,
            or there is no such layout of positions.
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dims: int = 512,
        num_heads: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        feedforward_dims: int = 2048,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        act_cfg: dict = RELU,
        final_norm: bool = False,
        positions: str = 'interleaved',
        output_bias: bool = False,
        max_length: int | None = None,
        fused_attention: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        sizes = dict(
            vocab_size=vocab_size,
            embed_dims=embed_dims,
            num_encoder_layers=num_encoder_layers,
            num_decoder_layers=num_decoder_layers,
            feedforward_dims=feedforward_dims,
            max_length=1 if max_length is None else max_length,
        )
        for name, size in sizes.items():
            if not isinstance(size, int) or size < 1:
                raise ValueError(f'{name} {size}: a whole number, 1 at least')
        self.vocab_size = self.source_vocab_size = vocab_size
        self.embed_dims = embed_dims
        self.max_length = max_length
        self.embedding = nn.Embedding(vocab_size, embed_dims)
        self.positions = SinusoidalPositions(embed_dims, positions)
        self.dropout = nn.Dropout(dropout)

        def stack(layer: type[nn.Module], num_layers: int) -> Stack:
            return Stack(
                [
                    layer(
                        embed_dims,
                        num_heads,
                        feedforward_dims,
                        dropout,
                        attention_dropout,
                        act_cfg,
                        fused_attention,
                    )
                    for _ in range(num_layers)
                ],
                nn.LayerNorm(embed_dims) if final_norm else nn.Identity(),
            )

        self.encoder = stack(EncoderLayer, num_encoder_layers)
        self.decoder = stack(DecoderLayer, num_decoder_layers)
        self.output_bias = (
            nn.Parameter(torch.zeros(vocab_size)) if output_bias else None
        )
        # times sqrt(D), as large as the positions that are added
        nn.init.normal_(self.embedding.weight, std=embed_dims**-0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        """(B, T) tokens to (B, T, D); the first one is at position ``first``."""
        self.check_length(first + tokens.shape[1])
        x = self.embedding(tokens) * self.embed_dims**0.5  # Sec. 3.4
        return self.dropout(self.positions(x, first))

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> Memory:
        """Hidden states of the source; see :class:`~projects.core.tasks.language.
        backbones.EncoderDecoderBackbone`.

        Returns:
            tuple: (B, S, D), and (B, 1, 1, S), -inf at padding and 0 elsewhere, or
            None where there is no padding.
        """
        x = self.embed(source)
        mask = hiding_mask(lengths, source.shape[1], x)
        for layer in self.encoder.layers:
            x = layer(x, mask)
        return self.encoder.norm(x), mask

    def decode(
        self, target: Tensor, memory: Memory, state: State | None = None
    ) -> tuple[Tensor, State | None]:
        """Scores of the tokens that follow; see :class:`~projects.core.tasks.
        language.backbones.EncoderDecoderBackbone`."""
        source, mask = memory
        x = self.embed(target, 0 if state is None else state[0][0].length)
        for i, layer in enumerate(self.decoder.layers):
            if state is None:
                x = layer(x, layer.multihead_attn.project(source, 1, 3), mask)
            else:
                cache, projected = state[i]
                x = layer(x, projected, mask, cache)
        x = self.decoder.norm(x)
        return F.linear(x, self.embedding.weight, self.output_bias), state

    def begin(self, memory: Memory, max_length: int) -> State:
        """Room for keys and values of the target, and those of the source, which
        are the same for all its tokens."""
        self.check_length(max_length)
        source, _ = memory
        return tuple(
            (
                KeyValueCache(
                    len(source),
                    layer.self_attn.heads[0],
                    max_length,
                    layer.self_attn.heads[1],
                    source,
                ),
                layer.multihead_attn.project(source, 1, 3),
            )
            for layer in self.decoder.layers
        )

    @torch.no_grad()
    def attention_maps(self, inputs: dict) -> dict[str, Tensor]:
        """What attends to what, of the three kinds of attention.

        Args:
            inputs: ``tokens`` (B, S), ``target`` (B, T) and, where padded,
                ``lengths``.

        Returns:
            dict: Of each layer 'encoder i' (B, N, S, S), 'decoder i' (B, N, T, T)
            and 'decoder to encoder i' (B, N, T, S); the rows are queries, of sum 1.
        """
        with recorded_attention(self) as maps:
            memory = self.encode(inputs['tokens'], inputs.get('lengths'))
            self.decode(inputs['target'], memory)
        names = [f'encoder {i}' for i in range(len(self.encoder.layers))]
        for i in range(len(self.decoder.layers)):  # the order of computation
            names += [f'decoder {i}', f'decoder to encoder {i}']
        return dict(zip(names, maps, strict=True))
