"""Where the time of a step goes, and what a prediction costs, while a run trains."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from projects.core.engine.distributed import has_own_step
from projects.core.engine.optimizers import wrappers_of
from projects.core.engine.speed import FlopCounter, wrap_next_call
from projects.core.engine.stopwatch import Stopwatch, synchronize
from projects.core.tasks.task import task_of
from projects.registry import HOOKS

METHODS = {'train': 'train_step', 'predict': 'val_step'}


@HOOKS.register_module()
class StepTimesHook(Hook):
    """Measures the parts of a few steps of training and of prediction.

    :class:`projects.core.engine.Runner` registers it by itself. Of each kind of step
    the third, fourth and fifth are measured, and then one in ``interval``; the others
    run as they would without the hook. A GPU is waited for at the ends of the parts,
    so that of a measured step they add up to what it takes without another beside it.

    ================  ==============================================================
    ``data``          waiting for the data loader, and the data preprocessor
    ``forward``       layers: what child modules of the model do, losses left out
    ``loss``          the rest of a training step, ``forward(mode='loss')`` above all;
                      ``rest`` of a model with a ``train_step`` of its own
    ``backward``      gradients
    ``optimiser``     the steps of all optimizers, clipping, setting gradients to zero
    ``decode``        the rest of a prediction
    ``NMS``           what the task measures apart: suppression, of a detector
    ================  ==============================================================

    A compiled model is not measured. In several processes the first one is, and its
    backward pass includes waiting for the others.

    Args:
        interval: Steps from one measured step to the next; a prime number, so that
            it meets accumulated steps in all their phases.

    Attributes:
        samples: Of each kind of step, seconds by part of each measured one.
        macs: Multiply-accumulates of one input in prediction, by the first batch of
            the first validation; None where unknown.
    """

    priority = 'LOWEST'  # next to the step

    def __init__(self, interval: int = 47) -> None:
        self.interval = interval
        self.samples: dict[str, list[dict[str, float]]] = {'train': [], 'predict': []}
        self.macs: int | None = None
        self._num = {'train': 0, 'predict': 0}
        self._since: dict[str, float | None] = {'train': None, 'predict': None}
        self._is_on = False

    def times(self) -> dict[str, dict[str, float]]:
        """Medians of the measured steps, see
        :class:`projects.core.reports.record.Record`.

        Of a part that not every step has, as an optimizer under accumulation, the
        median is of those that have it, times their share.
        """
        times = {}
        for kind, samples in self.samples.items():
            parts = dict.fromkeys(part for sample in samples for part in sample)
            times[kind] = {}
            for part in parts:
                seconds = [sample[part] for sample in samples if part in sample]
                # of an epoch's first batch the wait for the data is not known
                share = 1 if part == 'data' else len(seconds) / len(samples)
                times[kind][part] = statistics.median(seconds) * share
        return {kind: parts for kind, parts in times.items() if parts}

    def before_train(self, runner) -> None:
        self._is_on = is_main_process() and not runner.cfg.get('compile')

    def before_train_epoch(self, runner) -> None:
        self._since['train'] = None

    def before_val_epoch(self, runner) -> None:
        self._since['train'] = self._since['predict'] = None

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        self._begin(runner, 'train', data_batch)

    def before_val_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        self._begin(runner, 'predict', data_batch)

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        self._end(runner, 'train')

    def after_val_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        self._end(runner, 'predict')

    def _is_sampled(self, kind: str) -> bool:
        num = self._num[kind]
        return num in (2, 3, 4) or (num > 4 and num % self.interval == 0)

    def _begin(self, runner, kind: str, batch: Any) -> None:
        if not self._is_on:
            return
        if self._is_sampled(kind):
            since = self._since[kind]
            waited = None if since is None else time.perf_counter() - since
            wrap_next_call(
                runner.model,
                METHODS[kind],
                lambda step: self._measured(runner, kind, waited, step),
            )
        elif kind == 'predict' and self._num[kind] == 0:
            wrap_next_call(
                runner.model, METHODS[kind], lambda step: self._counted(step, batch)
            )
        self._num[kind] += 1

    def _end(self, runner, kind: str) -> None:
        if not self._is_on:
            return
        if self._is_sampled(kind):  # the next one
            synchronize(next(runner.model.parameters()).device)
        self._since[kind] = time.perf_counter()

    def _counted(self, step: Callable, batch: Any) -> Any:
        with FlopCounter() as counter:
            outputs = step()
        num = _num_inputs(batch)
        if counter.flops and num:
            self.macs = round(counter.flops / 2 / num)
        return outputs

    def _measured(self, runner, kind: str, waited: float | None, step: Callable) -> Any:
        model = runner.model
        plain = getattr(model, 'module', model)
        watch = Stopwatch(next(model.parameters()).device)
        if kind == 'predict':
            rest = 'decode'
        else:
            rest = 'rest' if has_own_step(plain) else 'loss'
        parts = _Parts(watch, (model, plain), rest)
        if kind == 'predict':
            inner = task_of(runner.cfg).metered(plain, watch)
        else:
            inner = parts.updates(runner.optim_wrapper)
        with inner, parts.layers(), watch.part(rest):
            outputs = step()
        sample = dict(watch.seconds)
        if waited is not None:
            sample['data'] = sample.get('data', 0.0) + waited
        else:
            sample.pop('data', None)
        self.samples[kind].append(sample)
        return outputs


class _Parts:
    """Tells a step's parts apart while it runs.

    Args:
        watch: Measures them.
        whole: The model, and what wraps it: no layers.
        rest: Part of the model's own code, and of its losses.
    """

    def __init__(self, watch: Stopwatch, whole: tuple, rest: str) -> None:
        self.watch = watch
        self.whole = whole
        self.preprocessor = getattr(whole[-1], 'data_preprocessor', None)
        self.rest = rest
        self._is_updating = False
        # modules whose call is a part, innermost last, with part and context
        self._open: list[tuple[nn.Module, str, Any]] = []

    @contextmanager
    def layers(self) -> Iterator[None]:
        """Context in which outermost calls of modules are parts.

        By torch's hooks of all modules: those of single ones would keep a
        transformer's layers from their fused kernels.
        """
        handles = (
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, args: tuple) -> None:
        # what checkpointing computes again belongs to the backward pass
        if self._is_updating or any(module is whole for whole in self.whole):
            return
        if module is self.preprocessor:
            part = 'data'
        else:
            is_loss = type(module).__name__.endswith('Loss')
            part = self.rest if is_loss else 'forward'
        if self._open and (self._open[-1][1] != 'forward' or part == 'forward'):
            return
        context = self.watch.part(part)
        context.__enter__()
        self._open.append((module, part, context))

    def _leave(self, module: nn.Module, args: tuple, output: Any) -> None:
        if self._open and self._open[-1][0] is module and not self._is_updating:
            self._open.pop()[2].__exit__(None, None, None)

    @contextmanager
    def updates(self, optim_wrapper) -> Iterator[None]:
        """Context in which what optimizer wrappers do are parts."""
        with ExitStack() as patches:
            for wrapper in wrappers_of(optim_wrapper).values():
                for name, part in (
                    ('backward', 'backward'),
                    ('step', 'optimiser'),
                    ('zero_grad', 'optimiser'),
                ):
                    timed = self._timed(part, getattr(wrapper, name))
                    patches.enter_context(patch.object(wrapper, name, timed))
            yield

    def _timed(self, part: str, function: Callable) -> Callable:
        def call(*args, **kwargs):
            before, self._is_updating = self._is_updating, True
            try:
                with self.watch.part(part):
                    return function(*args, **kwargs)
            finally:
                self._is_updating = before

        return call


def _num_inputs(batch: Any) -> int:
    """Inputs of a batch as a data loader gives it; 0 where it does not say."""
    inputs = batch.get('inputs', batch) if isinstance(batch, dict) else None
    while isinstance(inputs, dict) and inputs:
        inputs = next(iter(inputs.values()))
    return len(inputs) if isinstance(inputs, (list, tuple, torch.Tensor)) else 0
