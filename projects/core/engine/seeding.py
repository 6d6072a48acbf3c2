"""Random numbers that are a function of where a run stands.

What is drawn hangs on (seed, process, place in the run) and on nothing that was
drawn before, so a resumed run draws what an uninterrupted one does, and the
number of data loader workers changes no number.
"""

import random
from collections.abc import Iterator
from functools import cache, partial
from itertools import islice

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS as ANY_SAMPLERS
from torch.utils.data import Sampler, get_worker_info

from projects.core.engine.signals import obey_parent_alone
from projects.registry import DATA_SAMPLERS, FUNCTIONS, HOOKS

# what is seeded: no two kinds of draws share their numbers
EPOCH, STEP, BATCH, EVALUATION = range(4)


def seed_all(*key: int) -> None:
    """Seed Python, NumPy and torch from non-negative integers."""
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    if get_worker_info() is None and _has_accelerator():
        torch.manual_seed(seed)
    else:  # the other formats a traceback where it meets no initialised GPU
        torch.default_generator.manual_seed(seed)


@cache
def _has_accelerator() -> bool:
    return torch.accelerator.is_available()


def random_state() -> dict:
    """States of the generators of Python, NumPy, torch and the current GPU, as plain
    data and tensors, which :func:`set_random_state` takes."""
    name, words, *rest = np.random.get_state()
    state = dict(
        python=random.getstate(),
        numpy=(name, torch.from_numpy(words.astype(np.int64)), *rest),
        torch=torch.get_rng_state(),
    )
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict) -> None:
    """Draw from now on what was drawn after a :func:`random_state`."""
    random.setstate(state['python'])
    name, words, *rest = state['numpy']
    np.random.set_state((name, words.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'])
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'])


@HOOKS.register_module()
class SeedHook(Hook):
    """Seeds Python, NumPy and torch at each epoch, step and evaluation.

    The key of a step is (seed, iteration, rank), for epochs and for iterations
    alike, so that dropout is the same after a resume. Every evaluation draws the
    same numbers: a test of a checkpoint repeats its validation also where a
    model draws samples. Augmentation has seeds of its own, see
    :class:`SeededSampler`.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        # of what data loaders draw themselves
        seed_all(runner.seed, EPOCH, runner.epoch, get_rank())

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        seed_all(runner.seed, STEP, runner.iter, get_rank())

    def before_val_epoch(self, runner) -> None:
        seed_all(runner.seed, EVALUATION, get_rank())

    def before_test_epoch(self, runner) -> None:
        self.before_val_epoch(runner)


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seeds a data loader's worker from torch's seed for it.

    That one comes from the main process, which :class:`SeedHook` seeds. SIGTERM of
    a scheduler is left to that one, see
    :func:`projects.core.engine.signals.obey_parent_alone`.
    """
    if get_worker_info() is not None:
        obey_parent_alone()
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)


class Draw(int):
    """An index of a data set which knows the ``key`` of its draw."""

    key: tuple[int, ...]


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Another sampler, with the augmentation of each batch seeded.

    The process that loads a batch, a worker or the main one, is seeded by
    (seed, epoch, rank, place of the batch's first sample in the epoch). Workers
    may stay alive for the whole run, and a run may go on at any batch.
    :class:`projects.core.engine.Runner` wraps the sampler of the training data
    by itself.

    Args:
        dataset: What is sampled. It gets torch's ``__getitems__``, through which
            a data loader asks for the samples of a batch together.
        sampler: Config of the sampler that decides which samples are drawn.
        seed: Seed of the run; the sampler's own where None.
    """

    def __init__(self, dataset, sampler: dict, seed: int | None = None) -> None:
        self.sampler = ANY_SAMPLERS.build(
            sampler, default_args=dict(dataset=dataset, seed=seed)
        )
        self.dataset = dataset
        self.seed = getattr(self.sampler, 'seed', 0) if seed is None else seed
        self.epoch = self._start = self._left_out = 0
        if hasattr(self.sampler, 'skip'):  # mmengine asks whether it has one
            self.skip = self._skip
        dataset.__getitems__ = partial(_seeded_samples, dataset)

    def __iter__(self) -> Iterator[Draw]:
        start, self._start = self._start, 0
        left_out, self._left_out = self._left_out, 0
        key = self.seed, BATCH, self.epoch, get_rank()
        indices = islice(self.sampler, left_out, None)
        for place, index in enumerate(indices, start + left_out):
            draw = Draw(index)
            draw.key = (*key, place)
            yield draw

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """What is drawn next is of this epoch."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def begin_at(self, num_samples: int) -> None:
        """Leave out the first samples of the next epoch, which are not loaded."""
        self._left_out = num_samples

    def _skip(self, num_samples: int) -> None:
        """Begin after so many samples, which are not loaded."""
        self.sampler.skip(num_samples)
        self._start = num_samples


def _seeded_samples(dataset, indices: list[int]) -> list:
    """The samples of a batch, drawn with its own random numbers."""
    if isinstance(indices[0], Draw):
        seed_all(*indices[0].key)
    indices = [int(i) for i in indices]
    together = getattr(type(dataset), '__getitems__', None)
    return together(dataset, indices) if together else [dataset[i] for i in indices]
