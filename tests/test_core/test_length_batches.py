"""Batches of like length: every sample once, little padding, resumed as it was."""

import random

import pytest
from mmengine.dataset import InfiniteSampler
from mmengine.runner import Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import Dataset, SequentialSampler

from projects.core.engine.seeding import BATCH, seed_all
from projects.core.tasks.language.batches import LengthBatchSampler


class Lines(Dataset):
    """Samples are their numbers and, beside it, a random one."""

    def __init__(self, num=100):
        self.lengths = random.Random(0).choices(range(1, 60), k=num)

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        return index, random.random()

    def length_of(self, index):
        return self.lengths[index]


class InOrder(SequentialSampler):
    """With the data set, as the samplers of MMEngine have it."""

    def __init__(self, dataset):
        super().__init__(dataset)
        self.dataset = dataset


def padding(data, batches):
    """Share of padding in what a model is given."""
    lengths = [[data.length_of(i) for i in batch] for batch in batches]
    given = sum(len(batch) * max(batch) for batch in lengths)
    return 1 - sum(map(sum, lengths)) / given


@pytest.mark.parametrize('drop_last', [False, True])
def test_every_sample_is_in_one_batch(drop_last):
    data = Lines()
    sampler = LengthBatchSampler(InOrder(data), 8, drop_last, num_batches=5)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 12 + (not drop_last)
    assert sorted(map(len, batches)) == [4] * (not drop_last) + [8] * 12
    indices = sorted(i for batch in batches for i in batch)
    assert len(set(indices)) == len(indices) == 100 - 4 * drop_last
    # the first pool of 40, before anything of the next
    assert sorted(i for batch in batches[:5] for i in batch) == list(range(40))


def test_little_is_padding_and_the_lengths_come_in_no_order():
    data = Lines(640)
    batches = list(LengthBatchSampler(InOrder(data), 32))
    plain = [list(range(i, i + 32)) for i in range(0, 640, 32)]
    assert padding(data, plain) > 0.4
    assert padding(data, batches) < 0.06
    longest = [max(map(data.length_of, batch)) for batch in batches]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)
    assert batches == list(LengthBatchSampler(InOrder(data), 32))


def loader():
    return Runner.build_dataloader(
        dict(
            dataset=Lines(),
            sampler=dict(
                type='projects.SeededSampler',
                sampler=dict(type='InfiniteSampler', shuffle=True),
            ),
            batch_sampler=dict(type='projects.LengthBatchSampler', num_batches=3),
            batch_size=8,
        ),
        seed=0,
    )


def test_a_resumed_run_gets_the_batches_that_it_would_have_got():
    seed_all(0, BATCH, 0, 0)
    whole = _InfiniteDataloaderIterator(loader())
    expected = [next(whole) for _ in range(20)]
    seed_all(1, BATCH, 0, 0)
    resumed = _InfiniteDataloaderIterator(loader())
    resumed.skip_iter(7)
    assert [next(resumed) for _ in range(13)] == expected[7:]
    assert isinstance(loader().batch_sampler.sampler.sampler, InfiniteSampler)
