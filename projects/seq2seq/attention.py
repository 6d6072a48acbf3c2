"""Attention of a recurrent decoder on the states of its encoder.

Additive: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning
to Align and Translate", ICLR 2015, https://arxiv.org/abs/1409.0473. Multiplicative:
Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine
Translation", EMNLP 2015, https://arxiv.org/abs/1508.04025.

Legend: B sequences, S tokens of the source, T tokens of the target, D a width.
"""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """A mean of the source's states, weighted by how well each fits a query.

    A subclass says how well: :meth:`scores`.

    Args:
        dropout: Probability that a weight is set to 0 in training.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def keys_of(self, values: Tensor) -> Tensor:
        """What queries are compared with, (B, S, D), computed once for a source."""
        raise NotImplementedError

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """(B, T, S) of (B, T, D) queries and (B, S, D) keys."""
        raise NotImplementedError

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            query: (B, T, D) states of the decoder.
            keys: Of :meth:`keys_of`.
            values: (B, S, D) states of the encoder.
            mask: (B, S), True at tokens and False at padding; None for no padding.

        Returns:
            tuple: (B, T, D) contexts, and the (B, T, S) weights, each row of sum 1.
        """
        scores = self.scores(query, keys)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], float('-inf'))
        weights = scores.softmax(-1)
        return self.dropout(weights) @ values, weights


class AdditiveAttention(Attention):
    """score = v^T tanh(W query + U value): a small network compares the two.

    Bahdanau et al., App. A.1.2; v, W and U are ``score``, ``query`` and ``key``.

    Args:
        query_dims: D of the queries.
        value_dims: D of the values.
        hidden_dims: Rows of W and of U.
        dropout: See :class:`Attention`.
    """

    def __init__(
        self, query_dims: int, value_dims: int, hidden_dims: int, dropout: float = 0.0
    ) -> None:
        super().__init__(dropout)
        self.query = nn.Linear(query_dims, hidden_dims, bias=False)
        self.key = nn.Linear(value_dims, hidden_dims, bias=False)
        self.score = nn.Linear(hidden_dims, 1, bias=False)

    def keys_of(self, values: Tensor) -> Tensor:
        return self.key(values)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        # (B, T, 1, D) + (B, 1, S, D)
        hidden = torch.tanh(self.query(query)[:, :, None] + keys[:, None])
        return self.score(hidden).squeeze(-1)


class MultiplicativeAttention(Attention):
    """score = query^T W value, or query^T value: one product of matrices.

    Luong et al., Eq. 8: 'general' with W, which is ``key``, and 'dot' without.

    Args:
        query_dims: D of the queries.
        value_dims: D of the values.
        general: Whether there is a W. Without it both widths must be the same.
        dropout: See :class:`Attention`.

    Raises:
        ValueError: If the widths differ and there is no W.
    """

    def __init__(
        self,
        query_dims: int,
        value_dims: int,
        general: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(dropout)
        if not general and query_dims != value_dims:
            raise ValueError(
                f'the product of a query of {query_dims} and a value of {value_dims} '
                'channels needs a matrix between them'
            )
        self.key = (
            nn.Linear(value_dims, query_dims, bias=False) if general else nn.Identity()
        )

    def keys_of(self, values: Tensor) -> Tensor:
        return self.key(values)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        return query @ keys.mT
