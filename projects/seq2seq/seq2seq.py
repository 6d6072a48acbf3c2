"""Recurrent encoder-decoder, with a code for all steps or one for each.

One code: Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural
Networks", NIPS 2014, https://arxiv.org/abs/1409.3215, and Cho et al., "Learning
Phrase Representations using RNN Encoder-Decoder", EMNLP 2014,
https://arxiv.org/abs/1406.1078. One for each step: see
:mod:`projects.seq2seq.attention`.

Legend: B sequences, S tokens of a source, T tokens of a target, V tokens of the
vocabulary, N layers, H width of a recurrent layer, D width of the encoder's states,
H or, of two directions, 2H.
"""

import torch
from torch import Tensor, nn

from projects.core.tasks.language.backbones import (
    EncoderDecoderBackbone,
    padding_mask,
)
from projects.registry import MODELS
from projects.seq2seq.attention import AdditiveAttention, MultiplicativeAttention

ATTENTIONS = (None, 'additive', 'multiplicative', 'dot')


class Encoder(nn.Module):
    """GRU layers over padded sequences, in one direction or in both.

    Each layer and direction is a GRU of its own, whose states at all tokens are
    known: that at a sequence's last token is picked from them. Packed sequences do
    the same, three times as slowly on a CPU.

    Args:
        embed_dims: Channels of the input.
        hidden_dims: H.
        num_layers: N.
        bidirectional: Whether the sequences are also read backwards.
        dropout: Probability between layers.
    """

    def __init__(
        self,
        embed_dims: int,
        hidden_dims: int,
        num_layers: int,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        num_directions = 1 + bidirectional
        self.layers = nn.ModuleList(
            nn.ModuleList(
                nn.GRU(
                    num_directions * hidden_dims if i else embed_dims,
                    hidden_dims,
                    batch_first=True,
                )
                for _ in range(num_directions)
            )
            for i in range(num_layers)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map (B, S, C) to (B, S, D) states of the last layer, and to (N, B, D) of
        all layers when they have read the sequences to their ends."""
        num_tokens = x.shape[1]
        places = torch.arange(num_tokens, device=x.device).expand(x.shape[:2])
        if lengths is None:
            lengths = places.new_full((len(x),), num_tokens)
        ends = lengths[:, None, None] - 1
        # first to last and last to first; padding stays behind
        backwards = torch.where(
            places < lengths[:, None], lengths[:, None] - 1 - places, places
        )[..., None]
        lasts = []
        for i, directions in enumerate(self.layers):
            x = self.dropout(x) if i else x
            outs, last = [], []
            for j, layer in enumerate(directions):
                read = x.gather(1, backwards.expand_as(x)) if j else x
                out, _ = layer(read)
                last.append(out.gather(1, ends.expand(-1, 1, out.shape[-1])))
                outs.append(out.gather(1, backwards.expand_as(out)) if j else out)
            x = torch.cat(outs, -1)
            lasts.append(torch.cat(last, -1).squeeze(1))
        return x, torch.stack(lasts)


@MODELS.register_module()
class Seq2Seq(EncoderDecoderBackbone):
    """GRUs that read a sequence, and GRUs that write another.

    The decoder begins with the encoder's last states. What else it knows of the
    source at step t is a context c_t:

    ================  ========================================================
    attention         context
    ================  ========================================================
    None              c_t = C, the encoder's last state, at each step (Cho et
                      al., Eq. 7 and 8): however long the source, H numbers
    'additive'        c_t is the attention of the decoder's state s_{t-1}, and
                      goes into the step (Bahdanau et al., Eq. 4 to 6)
    'multiplicative'  c_t is the attention of the state s_t and is joined with
                      it after the step (Luong et al., Sec. 3.1, Eq. 5); the
                      score is 'general'
    'dot'             the same without a matrix in the score
    ================  ========================================================

    Args:
        vocab_size: V, of what is written.
        source_vocab_size: Of what is read; None for V.
        attention: See above.
        embed_dims: Width of the tokens' embeddings.
        hidden_dims: H.
        num_layers: N, of the encoder and of the decoder.
        bidirectional: Whether the encoder also reads backwards (Bahdanau et al.,
            Sec. 3.2). A layer of ``bridge`` makes a first state of H channels of the
            last states of both directions.
        dropout: Probability in training, on embeddings, between layers and on the
            weights of attention.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If there is no such attention.
    """

    def __init__(
        self,
        vocab_size: int,
        source_vocab_size: int | None = None,
        attention: str | None = 'additive',
        embed_dims: int = 256,
        hidden_dims: int = 256,
        num_layers: int = 2,
        bidirectional: bool = False,
        dropout: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if attention not in ATTENTIONS:
            raise ValueError(f'attention {attention!r} is none of {ATTENTIONS}')
        self.vocab_size = vocab_size
        self.source_vocab_size = source_vocab_size or vocab_size
        self.dropout = nn.Dropout(dropout)
        self.source_embedding = nn.Embedding(self.source_vocab_size, embed_dims)
        self.encoder = Encoder(
            embed_dims, hidden_dims, num_layers, bidirectional, dropout
        )
        self.bridge = (
            nn.ModuleList(
                nn.Linear(2 * hidden_dims, hidden_dims) for _ in range(num_layers)
            )
            if bidirectional
            else None
        )
        self.target_embedding = nn.Embedding(vocab_size, embed_dims)
        value_dims = hidden_dims * (1 + bidirectional)
        self.attention = self.combine = None
        context_dims = 0  # of what goes into a step beside the embedding
        if attention is None:
            context_dims = hidden_dims
        elif attention == 'additive':
            self.attention = AdditiveAttention(
                hidden_dims, value_dims, hidden_dims, dropout
            )
            context_dims = value_dims
        else:
            self.attention = MultiplicativeAttention(
                hidden_dims, value_dims, attention == 'multiplicative', dropout
            )
            self.combine = nn.Linear(hidden_dims + value_dims, hidden_dims, bias=False)
        self.decoder = nn.GRU(
            context_dims + embed_dims,
            hidden_dims,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.output = nn.Linear(hidden_dims, vocab_size)

    def encode(
        self, source: Tensor, lengths: Tensor | None = None
    ) -> dict[str, Tensor | None]:
        """What the decoder sees of the source.

        Returns:
            dict: ``hidden`` (B, N, H), the decoder's first states; with attention
            ``values`` (B, S, D), the encoder's states, ``keys`` of them, and
            ``mask`` (B, S), False at padding, None where there is none.
        """
        embedded = self.dropout(self.source_embedding(source))
        values, last = self.encoder(embedded, lengths)
        if self.bridge is not None:
            last = torch.stack(
                [torch.tanh(f(x)) for f, x in zip(self.bridge, last, strict=True)]
            )
        memory = dict(hidden=last.transpose(0, 1))
        if self.attention is not None:
            memory['values'] = values
            memory['keys'] = self.attention.keys_of(values)
            memory['mask'] = padding_mask(lengths, source.shape[1])
        return memory

    def begin(self, memory: dict, max_length: int) -> dict[str, Tensor]:
        return dict(hidden=memory['hidden'])

    def decode(
        self, target: Tensor, memory: dict, state: dict | None = None
    ) -> tuple[Tensor, dict | None]:
        hidden, last, _ = self.steps(target, memory, state)
        # (N, B, H) of torch to batch first
        return self.output(hidden), state and dict(hidden=last.transpose(0, 1))

    def steps(
        self, target: Tensor, memory: dict, state: dict | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """States of the decoder after each token of the target.

        Returns:
            tuple: (B, T, H) of the last layer, with what it attends to where that is
            looked for after the step; (N, B, H) after the last token; and the
            (B, T, S) attention, None of a model that has none.
        """
        embedded = self.dropout(self.target_embedding(target))
        last = (state or memory)['hidden'].transpose(0, 1).contiguous()
        if self.attention is None:
            code = memory['hidden'][:, -1:].expand(-1, target.shape[1], -1)
            return *self.decoder(torch.cat([code, embedded], -1), last), None
        source = memory['keys'], memory['values'], memory['mask']
        if self.combine is not None:
            hidden, last = self.decoder(embedded, last)
            context, weights = self.attention(hidden, *source)
            hidden = torch.tanh(self.combine(torch.cat([context, hidden], -1)))
            return hidden, last, weights
        hiddens, weights = [], []
        for token in embedded.split(1, 1):
            # what the step before has made of the text says where to look
            context, weight = self.attention(last[-1][:, None], *source)
            hidden, last = self.decoder(torch.cat([context, token], -1), last)
            hiddens.append(hidden)
            weights.append(weight)
        return torch.cat(hiddens, 1), last, torch.cat(weights, 1)

    def attention_maps(self, inputs: dict) -> dict[str, Tensor]:
        """What each step of the decoder attends to.

        Args:
            inputs: Of the model: ``tokens``, ``target`` and, where padded,
                ``lengths``.

        Returns:
            dict: 'decoder to encoder 0' (B, 1, T, S), nothing without attention.
        """
        memory = self.encode(inputs['tokens'], inputs.get('lengths'))
        *_, weights = self.steps(inputs['target'], memory)
        return {} if weights is None else {'decoder to encoder 0': weights[:, None]}
