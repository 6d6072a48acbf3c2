"""Keys and values of tokens that were seen already.

Legend: B sequences, N heads, T tokens, D channels of a head.
"""

from torch import Tensor


class KeyValueCache:
    """Keys and values of a layer's attention, which later tokens look at again.

    Memory is taken once, so that a token costs as much late as early.

    Args:
        batch_size: B.
        num_heads: N.
        max_length: Most tokens.
        head_dims: D.
        like: Tensor whose device and kind of numbers it has.
    """

    def __init__(
        self,
        batch_size: int,
        num_heads: int,
        max_length: int,
        head_dims: int,
        like: Tensor,
    ) -> None:
        shape = batch_size, num_heads, max_length, head_dims
        self.keys = like.new_empty(shape)
        self.values = like.new_empty(shape)
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Take in (B, N, t, D) keys and values; those of all tokens so far.

        Raises:
            ValueError: If there is no room for them.
        """
        end = self.length + keys.shape[2]
        if end > self.keys.shape[2]:
            raise ValueError(
                f'{end} tokens, but the cache has room for {self.keys.shape[2]}'
            )
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def select(self, indices: Tensor) -> 'KeyValueCache':
        """That of some sequences of the batch, in any order."""
        chosen = object.__new__(KeyValueCache)
        chosen.keys = self.keys.index_select(0, indices)
        chosen.values = self.values.index_select(0, indices)
        chosen.length = self.length
        return chosen
