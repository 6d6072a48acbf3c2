"""torch's own networks under our tools, to compare with.

Legend as in :mod:`projects.core.tasks.language.backbones`.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.tasks.language.backbones import (
    EncoderDecoderBackbone,
    SequenceBackbone,
    padding_mask,
)
from projects.registry import MODELS


@MODELS.register_module()
class TorchRecurrent(SequenceBackbone):
    """``torch.nn.RNN``, ``LSTM`` or ``GRU`` between an embedding and a linear layer.

    Args:
        cell: 'RNN', 'LSTM' or 'GRU'.
        vocab_size: V.
        input_dims: Width of the embedding.
        hidden_dims: D.
        num_layers: Layers.
    """

    def __init__(
        self,
        cell: str,
        vocab_size: int,
        input_dims: int,
        hidden_dims: int,
        num_layers: int = 1,
    ) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.embed_dims = hidden_dims
        self.embedding = nn.Embedding(vocab_size, input_dims)
        net = getattr(nn, cell)
        self.net = net(input_dims, hidden_dims, num_layers, batch_first=True)
        self.output = nn.Linear(hidden_dims, vocab_size)

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor | None = None,
        state: Any = None,
        token_types: Tensor | None = None,
    ) -> tuple[Tensor, Any]:
        return self.net(self.embedding(tokens), state)

    def logits(self, hidden: Tensor) -> Tensor:
        return self.output(hidden)


@MODELS.register_module()
class TorchTranslator(EncoderDecoderBackbone):
    """``torch.nn.Transformer`` between one matrix of embeddings and itself.

    Args:
        vocab_size: V, of both languages.
        embed_dims: D.
        num_heads: Heads of an attention.
        num_layers: Layers of the encoder, and of the decoder.
        feedforward_dims: Width of the layers within.
        max_length: Positions.
    """

    def __init__(
        self,
        vocab_size: int = 37000,
        embed_dims: int = 512,
        num_heads: int = 8,
        num_layers: int = 6,
        feedforward_dims: int = 2048,
        max_length: int = 512,
    ) -> None:
        super().__init__()
        self.source_vocab_size = self.vocab_size = vocab_size
        self.max_length = max_length
        self.embedding = torch.nn.Embedding(vocab_size, embed_dims)
        # torch's deviation of 1 makes scores so large that most probabilities are
        # denormal numbers, with which a processor takes many times as long
        torch.nn.init.normal_(self.embedding.weight, std=embed_dims**-0.5)
        self.net = torch.nn.Transformer(
            embed_dims,
            num_heads,
            num_layers,
            num_layers,
            feedforward_dims,
            batch_first=True,
        )
        places = torch.arange(max_length)[:, None]
        rates = 10000 ** (-torch.arange(0, embed_dims, 2) / embed_dims)
        table = torch.stack([(places * rates).sin(), (places * rates).cos()], -1)
        self.register_buffer('positions', table.flatten(1), persistent=False)

    def _embedded(self, tokens: Tensor) -> Tensor:
        scale = self.embedding.embedding_dim**0.5
        return scale * self.embedding(tokens) + self.positions[: tokens.shape[1]]

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> Any:
        tokens = padding_mask(lengths, source.shape[1])
        hidden = None if tokens is None else ~tokens
        memory = self.net.encoder(self._embedded(source), src_key_padding_mask=hidden)
        return memory, hidden

    def decode(
        self, target: Tensor, memory: Any, state: Any = None
    ) -> tuple[Tensor, Any]:
        hidden, padding = memory
        mask = self.net.generate_square_subsequent_mask(
            target.shape[1], target.device, hidden.dtype
        )
        outs = self.net.decoder(
            self._embedded(target),
            hidden,
            tgt_mask=mask,
            tgt_is_causal=True,
            memory_key_padding_mask=padding,
        )
        return F.linear(outs, self.embedding.weight), None

    def begin(self, memory: Any, max_length: int) -> Any:
        raise NotImplementedError('only to compare training with')
