"""A network of recurrent cells over tokens: RNN, LSTM, GRU.

Legend as in :mod:`projects.core.tasks.language.backbones`; H units of a direction of a
layer, L layers, counted twice where they read in both directions.
"""

import torch
from torch import Tensor, nn

from projects.core.tasks.language.backbones import SequenceBackbone
from projects.registry import MODELS
from projects.rnn.cells import State
from projects.rnn.layers import make_layers, run_layers, zero_state


@MODELS.register_module()
class RNN(SequenceBackbone):
    """Embedding, recurrent layers, and a linear layer for the next token.

    A state is ``(h,)``, of an LSTM ``(h, c)``, each (B, L, H). Each token costs the
    same, however many came before, and of those nothing is kept but the state.

    Args:
        cell: 'rnn', 'lstm' or 'gru'.
        vocab_size: V.
        input_dims: Width of a token's embedding.
        hidden_dims: H.
        num_layers: Each reads the hidden states of the one below.
        bidirectional: Whether each layer also reads from the end, with H units more.
            D is 2 * H then, else H.
        dropout: Probability of dropout on all that goes from one layer to the next,
            the embeddings and the last hidden states too, but nothing that goes from
            one step to the next (Zaremba et al., arXiv:1409.2329, Sec. 3.1).
        forget_bias: See :func:`projects.rnn.layers.make_layers`.
        predicts_tokens: Whether there is the linear layer of :meth:`logits`; False for
            a classifier.
        fused: Whether the layers are computed by torch's kernel, else by the loop of
            :mod:`projects.rnn.cells`, with the same weights.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If :func:`projects.rnn.layers.make_layers` refuses an argument, or
            the model reads from the end what it is to predict.
    """

    def __init__(
        self,
        cell: str,
        vocab_size: int,
        input_dims: int,
        hidden_dims: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        forget_bias: float | None = None,
        predicts_tokens: bool = True,
        fused: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if bidirectional and predicts_tokens:
            raise ValueError(
                'bidirectional: such layers see the tokens that they are to predict; '
                'set predicts_tokens=False'
            )
        self.vocab_size = vocab_size
        self.fused = fused
        self.embedding = nn.Embedding(vocab_size, input_dims)
        self.layers = make_layers(
            cell,
            input_dims,
            hidden_dims,
            num_layers,
            bidirectional,
            dropout,
            forget_bias,
        )
        self.dropout = nn.Dropout(dropout)
        self.embed_dims = hidden_dims * (2 if bidirectional else 1)
        if predicts_tokens:
            self.output = nn.Linear(self.embed_dims, vocab_size)

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor | None = None,
        state: State | None = None,
        token_types: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """See :class:`SequenceBackbone`.

        Raises:
            ValueError: If there are token types, which it does not know, or a state
                and the layers read from the end, too, where it is not that of tokens
                before.
        """
        if token_types is not None:
            raise ValueError('token_types: RNN knows none')
        if state is not None and self.layers.bidirectional:
            raise ValueError('a bidirectional RNN cannot go on from a state')
        x = self.dropout(self.embedding(tokens))
        return run_layers(self.layers, x, lengths, state, self.fused)

    def logits(self, hidden: Tensor) -> Tensor:
        return self.output(self.dropout(hidden))

    def begin(self, batch_size: int, max_length: int) -> State:
        return zero_state(self.layers, batch_size)

    def summary(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, D) of whole sequences: where each direction has read all of it."""
        last = super().summary(hidden, lengths)
        if not self.layers.bidirectional:
            return last
        forwards, _ = last.chunk(2, -1)
        _, backwards = hidden[:, 0].chunk(2, -1)
        return torch.cat([forwards, backwards], -1)
