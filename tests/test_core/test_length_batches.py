"""Batches of sequences of like length: what is in them, and runs that are resumed."""

import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from test_iteration_runs import rows
from test_stopped_runs import with_sigterm
from toy_sequences import TRANSLATOR

from projects.core.engine import train
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.engine.seeding import SeededSampler
from projects.core.errors import UserError
from projects.core.tasks.language.sampler import LengthBatchSampler
from projects.core.weights import read_checkpoint


class Texts:
    """Samples of 1 to 40 tokens, in no order."""

    def __init__(self, num=300):
        self.lengths = [1 + (i * 17) % 40 for i in range(num)]

    def __len__(self):
        return len(self.lengths)

    def length_of(self, index):
        return self.lengths[index]


def seeded(dataset, sampler='DefaultSampler', seed=5):
    return SeededSampler(dataset, dict(type=sampler, shuffle=True), seed)


def padding(dataset, batches):
    """Share of the places of all batches that hold no token."""
    longest = [max(map(dataset.length_of, batch)) for batch in batches]
    places = sum(len(b) * n for b, n in zip(batches, longest, strict=True))
    return 1 - sum(dataset.length_of(i) for b in batches for i in b) / places


def test_each_sample_is_drawn_once_an_epoch():
    dataset = Texts(303)
    sampler = LengthBatchSampler(seeded(dataset), batch_size=8, pool=10)
    batches = list(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(303))
    assert len(batches) == len(sampler) == 38
    assert sorted(map(len, batches)) == [7] + [8] * 37
    plain = list(seeded(dataset))
    plain = [plain[i : i + 8] for i in range(0, 303, 8)]
    assert padding(dataset, plain) > 0.4
    assert padding(dataset, batches) < 0.1
    # short and long ones take turns
    lengths = [dataset.length_of(batch[0]) for batch in batches[:10]]
    assert lengths != sorted(lengths)


def test_order_is_that_of_seed_and_epoch():
    def batches(seed, epoch):
        sampler = LengthBatchSampler(seeded(Texts(), seed=seed), 8, 10)
        sampler.sampler.set_epoch(epoch)
        return list(sampler)

    assert batches(5, 0) == batches(5, 0)
    assert batches(5, 0) != batches(5, 1)
    assert batches(5, 0) != batches(6, 0)


def test_an_epoch_begins_anywhere():
    dataset = Texts()
    whole = list(LengthBatchSampler(seeded(dataset), 8, 10))
    sampler = LengthBatchSampler(seeded(dataset), 8, 10)
    sampler.begin_at(13)
    assert list(sampler) == whole[13:]
    assert list(sampler) == whole  # the next one is whole


def test_each_batch_has_a_key_of_its_own():
    batches = list(LengthBatchSampler(seeded(Texts()), 8, 10))
    keys = {batch[0].key for batch in batches}
    assert len(keys) == len(batches)
    assert {len(key) for key in keys} == {5}


@pytest.mark.parametrize('sampler', ['DefaultSampler', 'InfiniteSampler'])
def test_tokens_of_a_batch_are_limited(sampler):
    dataset = Texts()
    drawn = iter(LengthBatchSampler(seeded(dataset, sampler), 8, 10, max_tokens=100))
    batches = [next(drawn) for _ in range(60)]
    sizes = [len(b) * max(map(dataset.length_of, b)) for b in batches]
    assert max(sizes) <= 100
    assert sum(size > 60 for size in sizes) > 50
    # a sample beyond is a batch by itself
    alone = LengthBatchSampler(seeded(dataset), 8, 10, max_tokens=20)
    for batch in alone:
        longest = max(map(dataset.length_of, batch))
        assert len(batch) == 1 if longest > 10 else len(batch) * longest <= 20


def test_any_sampler_can_draw():
    dataset = Texts(20)
    for sampler in (DefaultSampler(dataset, False), InfiniteSampler(dataset, seed=0)):
        first = next(iter(LengthBatchSampler(sampler, 4, 5)))
        assert len(first) == 4


def test_refused_arguments():
    for kwargs in (dict(pool=0), dict(max_tokens=0), dict(max_tokens='9')):
        with pytest.raises(UserError, match=r'LengthBatchSampler\..* at least 1, not'):
            LengthBatchSampler(seeded(Texts()), 8, **kwargs)
    with pytest.raises(UserError, match='an epoch has is not known; count iterations'):
        len(LengthBatchSampler(seeded(Texts()), 8, max_tokens=100))


BATCHES = """
train_dataloader['batch_sampler'] = dict(
    type='projects.LengthBatchSampler', pool=3{options})
train_dataloader['dataset']['corpus']['num'] = 60
train_dataloader.update(num_workers={workers})
default_hooks['checkpoint']['interval'] = 5
model['backbone']['seed'] = 1
train_cfg = dict(by_epoch=False, max_iters={iters}, val_interval=5)
"""
# 15 iterations an epoch
EPOCHS = """
train_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=True)
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
log_processor = dict(by_epoch=True)
default_hooks['checkpoint'].update(by_epoch=True, interval=1)
"""


@pytest.fixture
def write(tmp_path, fresh):
    """Function that writes a run config."""

    def call(extra='', **settings):
        path = tmp_path / 'toy.py'
        settings = {'options': '', 'workers': 0, 'iters': 10, **settings}
        path.write_text(TRANSLATOR + BATCHES.format(**settings) + extra)
        return str(path)

    return call


def assert_same(work_dir, other, last):
    assert rows(work_dir) == rows(other)
    a, b = (read_checkpoint(f'{d}/{last}')['state_dict'] for d in (work_dir, other))
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize(
    ('options', 'workers', 'total_batch'),
    [('', 0, 4), ('', 1, 4), (', max_tokens=24', 0, None)],
)
def test_five_and_five_iterations_are_ten(write, fresh, options, workers, total_batch):
    settings = dict(options=options, workers=workers)
    runner = train(write(**settings), 'whole')
    assert runner._total_batch() == total_batch
    fresh()
    train(write(iters=5, **settings), 'resumed')
    fresh()
    train(write(**settings), 'resumed', resume=True)
    assert sorted(rows('whole')) == [*range(1, 11)]
    assert len(set(rows('whole').values())) == 10
    assert_same('resumed', 'whole', 'iter_10.pth')


def test_an_epoch_is_resumed_in_its_middle(write, fresh):
    runner = train(write(EPOCHS), 'whole')
    assert len(runner.train_dataloader) == 15
    fresh()
    with pytest.raises(SystemExit):
        train(write(EPOCHS + with_sigterm('step', 20)), 'resumed')
    assert newest_checkpoint('resumed') == 'resumed/stopped.pth'
    assert len(rows('resumed')) == 20
    fresh()
    train(write(EPOCHS), 'resumed', resume=True)
    assert sorted(rows('whole')) == [*range(1, 31)]
    assert_same('resumed', 'whole', 'epoch_2.pth')


def test_max_tokens_wants_iterations(write, error_of):
    config = write(EPOCHS, options=', max_tokens=24')
    assert 'count iterations (train_cfg.by_epoch=False)' in error_of(
        train, config, 'run'
    )
