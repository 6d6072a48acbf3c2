"""Batches of sequences of like length, in which little is padding."""

from collections.abc import Iterator

import torch
from torch.utils.data import BatchSampler, Sampler

from projects.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class LengthBatchSampler(BatchSampler):
    """Sorts what a sampler gives by length, some batches at a time.

    The batches come in a random order, that of the sampler's indices. It is
    Bahdanau et al.'s way (ICLR 2015, App. B.2).

    Args:
        sampler: Has a ``dataset`` with ``length_of``.
        batch_size: Samples of a batch.
        drop_last: Whether a last batch of fewer is left out.
        num_batches: Batches that are sorted together.
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        drop_last: bool = False,
        num_batches: int = 20,
    ) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.num_batches = num_batches

    def __iter__(self) -> Iterator[list[int]]:
        pool: list[int] = []
        for index in self.sampler:
            pool.append(index)
            if len(pool) == self.batch_size * self.num_batches:
                yield from self._batches(pool)
                pool = []
        yield from self._batches(pool)

    def _batches(self, pool: list[int]) -> Iterator[list[int]]:
        if not pool:
            return
        generator = torch.Generator().manual_seed(pool[0])
        pool = sorted(pool, key=self.sampler.dataset.length_of)
        starts = range(0, len(pool), self.batch_size)
        for place in torch.randperm(len(starts), generator=generator).tolist():
            batch = pool[starts[place] :][: self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch
