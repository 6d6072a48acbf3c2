"""What the models of this room ask of an architecture.

Legend: B sequences, S tokens of a source, T tokens of a target or of the only
sequence, D width of the hidden states, V tokens of the vocabulary.
"""

from abc import abstractmethod
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor
from torch.utils._pytree import tree_map

from projects.core.errors import UserError

#: label of a position of which nothing is predicted, that of torch's losses
IGNORE = -100


class SequenceBackbone(BaseModule):
    """An architecture that maps tokens to hidden states.

    A subclass sets the attributes and writes :meth:`forward`; one that predicts
    tokens also :meth:`logits`, and one that generates also :meth:`begin`.

    Attributes:
        embed_dims: D.
        vocab_size: V.
        max_length: Most tokens of a sequence; None for any number.
    """

    embed_dims: int
    vocab_size: int
    max_length: int | None = None

    @abstractmethod
    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor | None = None,
        state: Any = None,
        token_types: Tensor | None = None,
    ) -> tuple[Tensor, Any]:
        """Hidden states.

        Args:
            tokens: (B, T) integers in [0, V).
            lengths: (B,) tokens of each sequence, the rest is padding; None where
                all are T. What stands there changes no state before it.
            state: Of the tokens before, as the call for those returned it; they
                must have had no padding. None at the beginning of a sequence.
            token_types: (B, T), which of two texts a token is of; only for
                architectures that know such.

        Returns:
            tuple: (B, T, D) hidden states, and the state after the last token,
            None of an architecture that keeps none. A state is nested tuples,
            lists or dicts of tensors whose first dimension is B.

        Raises:
            UserError: If there are more tokens than positions, see
                :meth:`check_length`.
        """

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., V) scores of the next, or of the masked, token of (..., D)."""
        raise NotImplementedError

    def begin(self, batch_size: int, max_length: int) -> Any:
        """The state before the first token of ``batch_size`` sequences, which with
        what is generated will be ``max_length`` tokens long."""
        raise NotImplementedError

    def summary(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, D) of whole sequences: the hidden state of the last token."""
        if lengths is None:
            return hidden[:, -1]
        rows = lengths.new_tensor(range(len(hidden)))
        return hidden[rows, lengths - 1]

    def check_length(self, num_tokens: int) -> None:
        """Refuse a sequence that is too long.

        Raises:
            UserError: If it has more tokens than there are positions.
        """
        if self.max_length is not None and num_tokens > self.max_length:
            raise UserError(
                f'a sequence of {num_tokens} tokens is longer than the '
                f'{self.max_length} positions of {type(self).__name__}; shorten it, '
                'or build the model with a greater max_length'
            )


class EncoderDecoderBackbone(BaseModule):
    """An architecture that reads one sequence and writes another.

    Attributes:
        source_vocab_size: Tokens of the vocabulary that is read.
        vocab_size: V, of the one that is written.
        max_length: Most tokens of a sequence; None for any number.
    """

    source_vocab_size: int
    vocab_size: int
    max_length: int | None = None

    @abstractmethod
    def encode(self, source: Tensor, lengths: Tensor | None = None) -> Any:
        """What the decoder sees of the source.

        Args:
            source: (B, S).
            lengths: (B,) tokens of each; None where all are S.

        Returns:
            Nested tuples, lists or dicts of tensors whose first dimension is B,
            or of None.
        """

    @abstractmethod
    def decode(
        self, target: Tensor, memory: Any, state: Any = None
    ) -> tuple[Tensor, Any]:
        """Scores of the tokens that follow each token of the target.

        Args:
            target: (B, T) tokens, the first one stands for the beginning.
            memory: Of :meth:`encode`.
            state: Of the target's tokens before, as :meth:`begin` or the call for
                those gave it; None for a whole target at once, as in training.

        Returns:
            tuple: (B, T, V) scores, and the state after the last token, None if
            there was none before; see :meth:`SequenceBackbone.forward`.
        """

    @abstractmethod
    def begin(self, memory: Any, max_length: int) -> Any:
        """The decoder's state before the first of at most ``max_length`` tokens."""

    check_length = SequenceBackbone.check_length


def select(state: Any, indices: Tensor) -> Any:
    """The state, or the memory, of some sequences of a batch.

    Args:
        state: See :meth:`SequenceBackbone.forward`; objects with a method
            ``select(indices)``, such as caches, may stand in it, too.
        indices: (B',) of the sequences, in any order, also repeated.
    """

    def chosen(part):
        if isinstance(part, Tensor):
            return part.index_select(0, indices)
        return part.select(indices) if hasattr(part, 'select') else part

    return tree_map(chosen, state)


def padding_mask(lengths: Tensor | None, num_tokens: int) -> Tensor | None:
    """(B, T) booleans, True at tokens and False at padding; None where all are
    tokens."""
    if lengths is None:
        return None
    places = lengths.new_tensor(range(num_tokens))
    return places < lengths[:, None]


def hiding_mask(lengths: Tensor | None, num_tokens: int, like: Tensor) -> Tensor | None:
    """(B, 1, 1, T) numbers that are added to scores, 0 at tokens and -inf at padding;
    None where all are tokens.

    Args:
        lengths: (B,) tokens of each sequence; None where all are T.
        num_tokens: T.
        like: Tensor whose device and kind of numbers it has.
    """
    shown = padding_mask(lengths, num_tokens)
    if shown is None:
        return None
    mask = like.new_zeros(shown.shape).masked_fill(~shown, float('-inf'))
    return mask[:, None, None]
