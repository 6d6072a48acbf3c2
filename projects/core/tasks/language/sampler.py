"""Batches of sequences of like length, which need little padding."""

from collections.abc import Iterator
from itertools import islice
from random import Random

from mmengine.dataset import InfiniteSampler
from torch.utils.data import Sampler

from projects.core.errors import UserError
from projects.core.values import whole
from projects.registry import DATA_SAMPLERS


class NoLengthError(UserError, TypeError):
    """As objects without a ``__len__`` raise: to a run by iterations no mistake."""


@DATA_SAMPLERS.register_module()
class LengthBatchSampler(Sampler):
    """Batches of samples of like length.

    Another sampler draws the samples. Out of a pool of them, sorted by length,
    batches are cut, which come in an order of their own; (seed, epoch, number of the
    pool) decides it. A run may go on at any batch. As a data loader's
    ``batch_sampler=dict(type='projects.LengthBatchSampler', ...)``; the data set has a
    ``length_of(index)``.

    Args:
        sampler: Draws the samples, of an epoch or without an end.
        batch_size: Samples of a batch.
        pool: How many batches of ``batch_size`` samples a pool is.
        max_tokens: The most tokens of a batch, padding included, in place of a number
            of samples; a longer sample is a batch by itself. Only for runs that count
            iterations: how many batches an epoch has is not known.

    Attributes:
        batch_size: Samples of a batch; None with ``max_tokens``.

    Raises:
        UserError: If ``pool`` or ``max_tokens`` is not at least 1.
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        pool: int = 50,
        max_tokens: int | None = None,
    ) -> None:
        for name, value in dict(pool=pool, max_tokens=max_tokens).items():
            if value is not None and (refusal := whole(1).refusal(value)):
                raise UserError(f'LengthBatchSampler.{name}: {refusal}')
        self.sampler = sampler
        self.batch_size = batch_size if max_tokens is None else None
        self._num_samples = batch_size
        self.pool_size = pool * batch_size
        self.max_tokens = max_tokens
        self._left_out = 0

    def __iter__(self) -> Iterator[list[int]]:
        first, self._left_out = self._left_out, 0
        return islice(self._batches(), first, None)

    def _batches(self) -> Iterator[list[int]]:
        seed, epoch = (getattr(self.sampler, name, 0) for name in ('seed', 'epoch'))
        samples, number = iter(self.sampler), 0
        while pool := list(islice(samples, self.pool_size)):
            batches = self._cut(pool)
            Random(f'{seed} {epoch} {number}').shuffle(batches)
            yield from batches
            number += 1

    def _cut(self, pool: list[int]) -> list[list[int]]:
        length_of = self.sampler.dataset.length_of
        lengths = [length_of(int(index)) for index in pool]
        batches = [[]]
        for place in sorted(range(len(pool)), key=lengths.__getitem__):
            num = len(batches[-1]) + 1
            if self.max_tokens is None:
                is_full = num > self.batch_size
            else:  # sorted: this one is the longest
                is_full = num > 1 and num * lengths[place] > self.max_tokens
            if is_full:
                batches.append([])
            batches[-1].append(pool[place])
        return batches

    def __len__(self) -> int:
        # of a sampler without an end mmengine asks, too, and has no use of the answer
        drawn = getattr(self.sampler, 'sampler', self.sampler)
        if self.max_tokens is not None and not isinstance(drawn, InfiniteSampler):
            raise NoLengthError(
                'LengthBatchSampler.max_tokens: how many batches an epoch has is not '
                'known; count iterations (train_cfg.by_epoch=False)'
            )
        return -(-len(self.sampler) // self._num_samples)

    def begin_at(self, num_batches: int) -> None:
        """Leave out the first batches of the next epoch, which are not loaded."""
        self._left_out = num_batches
