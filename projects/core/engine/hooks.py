"""Hooks that make a run safe to kill, and honest about NaN."""

import logging
import os
import os.path as osp
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path

import torch
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.hooks import LoggerHook as MMEngineLoggerHook
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import Tensor, nn

from projects.core.config.saved import JSON_KEY, config_to_json
from projects.core.devices import device_name
from projects.core.engine.distributed import has_own_step
from projects.core.engine.optimizers import wrappers_of
from projects.core.engine.seeding import random_state
from projects.core.errors import UserError, described
from projects.core.tasks.task import task_of
from projects.registry import HOOKS


@HOOKS.register_module()
class ResumeHook(Hook):
    """Makes a run that was killed anywhere end as one that was not.

    :class:`projects.core.engine.Runner` registers it by itself. It removes
    what a kill left half-written, runs the validation that a kill cut off, and
    keeps code out of checkpoints, which are read as mere data.
    """

    priority = 'LOWEST'  # in before_train, after CheckpointHook

    def before_run(self, runner) -> None:
        if is_main_process():
            for file in Path(runner.work_dir).glob('*.pth.partial'):
                file.unlink()

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        # e.g. OneCycleLR's anneal function, which its constructor sets anyway
        if 'param_schedulers' in checkpoint:
            checkpoint['param_schedulers'] = _without_code(
                checkpoint['param_schedulers']
            )

    def before_val_epoch(self, runner) -> None:
        # CheckpointHook saves once more where a validation is the best; the
        # log would show a name that begins with 'val'
        unit, step = progress_of(runner)
        runner.message_hub.update_info(f'{unit}_validated', step)

    def before_train(self, runner) -> None:
        loop, (unit, step) = runner.train_loop, progress_of(runner)
        done = runner.message_hub.runtime_info.get(f'{unit}_validated')
        if runner.val_loop is None or step in (0, done):
            return
        loop._decide_current_val_interval()  # it may change as the run goes on
        last = loop.max_epochs if unit == 'epoch' else loop.max_iters
        if step >= loop.val_begin and (step % loop.val_interval == 0 or step == last):
            runner.logger.info(
                f'validation of {unit} {step}, which the checkpoint was saved before'
            )
            runner.val_loop.run()


def progress_of(runner) -> tuple[str, int]:
    """What the training loop counts, 'epoch' or 'iter', and how many are done."""
    if isinstance(runner._train_loop, EpochBasedTrainLoop):
        return 'epoch', runner.epoch
    return 'iter', runner.iter


def _without_code(state):
    if isinstance(state, dict):
        return {k: _without_code(v) for k, v in state.items() if not callable(v)}
    if isinstance(state, list):
        return [_without_code(v) for v in state]
    return state


def spared(what: str) -> Callable[[Callable], Callable]:
    """Decorator of a hook's method: in the main process alone, and a failure is a
    warning, once. Hours of training hang on no file beside the checkpoints.

    Args:
        what: What there is not then, for the warning.
    """

    def decorate(method: Callable) -> Callable:
        @wraps(method)
        def call(self, runner, *args, **kwargs) -> None:
            if not is_main_process():
                return
            try:
                method(self, runner, *args, **kwargs)
            except Exception as error:
                level = logging.DEBUG if self.has_failed else logging.WARNING
                self.has_failed = True
                reason = error if isinstance(error, UserError) else repr(error)
                runner.logger.log(level, f'no {what}: {reason}')

        return call

    return decorate


@HOOKS.register_module()
class LoggerHook(MMEngineLoggerHook):
    """mmengine's, also for data that have no length and in several processes."""

    def end_of_epoch(self, dataloader, batch_idx: int) -> bool:
        try:
            return super().end_of_epoch(dataloader, batch_idx)
        except TypeError:  # a stream has no end
            return False

    def after_test_epoch(self, runner, metrics: dict | None = None) -> None:
        # else all processes write the same JSON at the same time, one over another
        if is_main_process():
            super().after_test_epoch(runner, metrics)


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops at the first loss that is not finite, before the weights change.

    Losses that a model's own ``train_step`` returns are seen after it, when the
    weights may have changed.

    Writes ``<work_dir>/nonfinite_loss.pth``, of which ``tools/misc/replay.py`` repeats
    the step and names the module. It holds

    - ``inputs``: the batch as the model saw it, or, of a model with its own
      ``train_step``, what that was given;
    - ``state_dict``, ``losses``, ``lr``, ``epoch`` and ``iter``; ``names`` of the data;
    - ``random``: the generators' states before the step's forward pass;
    - ``last_step``: where weights are not finite, the batch of the step that made them
      so, as the data loader gave it, with its random state and iteration;
    - ``optimizer``: where weights are not finite, the names of the parameters of which
      the optimizer's state is not finite either;
    - ``meta``: the config as JSON, versions, the device, the mixed precision.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        def note(module, args, inputs) -> None:
            if inputs.get('mode') == 'loss':
                self._random = random_state()
                device = next(module.parameters()).device.type
                self._autocast = (
                    str(torch.get_autocast_dtype(device)).removeprefix('torch.')
                    if torch.is_autocast_enabled(device)
                    else None
                )

        def check(module, args, inputs, losses) -> None:
            if inputs.get('mode') == 'loss':
                self._check(runner, inputs, losses, 'before')

        self._handles = [
            runner.model.register_forward_pre_hook(note, with_kwargs=True),
            runner.model.register_forward_hook(check, with_kwargs=True),
        ]
        self._own_step = has_own_step(getattr(runner.model, 'module', runner.model))
        self._autocast = None
        self._step = self._last_step = None

    def after_train(self, runner) -> None:
        for handle in self._handles:
            handle.remove()

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self._random = random_state()
        self._last_step = self._step
        self._step = dict(data=data_batch, random=self._random, iter=runner.iter)

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        if self._own_step and isinstance(outputs, Mapping):
            self._check(runner, data_batch, outputs, 'after')

    def _check(self, runner, inputs, losses: Mapping, when: str) -> None:
        terms = {
            name: torch.stack([v.sum() for v in value])
            if isinstance(value, (list, tuple))
            else torch.as_tensor(value).detach()
            for name, value in losses.items()
            if isinstance(value, (Tensor, list, tuple, float))
        }
        model: nn.Module = getattr(runner.model, 'module', runner.model)
        device = next(model.parameters()).device
        finite = [v.isfinite().all().to(device) for v in terms.values()]
        if not finite or torch.stack(finite).all():  # a GPU is waited for once
            return
        lrs = runner.optim_wrapper.get_lr()
        task = task_of(runner.cfg)
        names = task.names_of(inputs) if isinstance(inputs, dict) else []
        if set(names) == {'unnamed'}:  # data that come from no files
            names = []
        rank = get_rank()
        file = osp.join(
            runner.work_dir,
            'nonfinite_loss' + (f'_rank{rank}' if rank else '') + '.pth',
        )
        saved = dict(
            inputs=inputs,
            state_dict=model.state_dict(),
            losses={k: v.detach() for k, v in terms.items()},
            lr=lrs,
            names=list(map(str, names)),
            epoch=runner.epoch,
            iter=runner.iter,
            own_step=self._own_step,
            # of a step of its own: before it, as its forward passes are several
            random=self._step['random'] if self._own_step else self._random,
            meta=self._meta(runner, device),
        )
        if not all(p.isfinite().all() for p in model.parameters()):
            # of an own step the weights are those after it
            saved['last_step'] = self._step if self._own_step else self._last_step
            saved['optimizer'] = _nonfinite_states(model, runner.optim_wrapper)
        where, how = _keep(saved, file)
        unit, step = progress_of(runner)
        epoch = f'epoch {step + 1}, ' if unit == 'epoch' else ''
        shown = ', '.join(f'{k} {v.float().sum().item():g}' for k, v in terms.items())
        weights = _finite_weights(model, lrs, when)
        data = f'{task.unit}: {", ".join(map(str, names))}\n' if names else ''
        raise UserError(
            f'the loss is not finite at {epoch}iteration '
            f'{runner.iter + 1}: {shown}; {_shown_rates(lrs)}; {weights}\n{data}'
            f'{where}; lower the learning rate, or look at these {task.unit} and their '
            f'labels{how}'
        )

    def _meta(self, runner, device: torch.device) -> dict:
        wrapper = next(iter(wrappers_of(runner.optim_wrapper).values()))
        autocast = self._autocast
        if isinstance(wrapper, AmpOptimWrapper) and autocast is None:  # an own step
            dtype = wrapper.cast_dtype or torch.get_autocast_dtype(device.type)
            autocast = str(dtype).removeprefix('torch.')
        return {
            JSON_KEY: config_to_json(runner.cfg),
            'seed': runner.seed,
            'torch': str(torch.__version__),
            'device': device.type,
            'device_name': device_name(device),
            'autocast': autocast,
            'processes': runner.world_size,
        }


def _keep(saved: dict, file: str) -> tuple[str, str]:
    """Write what a step is repeated of; where it is, and how, for the message."""
    partial = f'{file}.partial'
    try:
        torch.save(saved, partial)
        os.replace(partial, file)
    except Exception as error:  # a full disk, data of a class that cannot be pickled
        with suppress(OSError):
            os.unlink(partial)
        return f'the batch and the weights could not be kept: {described(error)}', ''
    return (
        f'the batch and the weights are in {file}',
        f'; to see where it arises: python tools/misc/replay.py {osp.relpath(file)}',
    )


def _nonfinite_states(model: nn.Module, optim_wrapper) -> list[str]:
    """Names of the parameters of which the optimizers' state is not finite."""
    states = [w.optimizer.state for w in wrappers_of(optim_wrapper).values()]
    return [
        name
        for name, parameter in model.named_parameters()
        for state in states
        if any(
            isinstance(v, Tensor) and not v.isfinite().all()
            for v in state.get(parameter, {}).values()
        )
    ]


def _finite_weights(model: nn.Module, lrs: Mapping, when: str) -> str:
    """Whether the weights are finite, those of each network that has an optimizer."""
    parts = dict(model.named_children())
    networks = {key.partition('.')[0] for key in lrs} & parts.keys()
    finite = {
        name: all(p.isfinite().all() for p in parts[name].parameters())
        for name in sorted(networks)
    }
    if all(finite.values()):  # of none, too
        whole = all(p.isfinite().all() for p in model.parameters())
        return f'the weights {when} it are {"" if whole else "not "}finite'
    return ', '.join(
        f'the weights of the {name} {when} it are {"" if is_finite else "not "}finite'
        for name, is_finite in finite.items()
    )


def _shown_rates(lrs: dict[str, list[float]]) -> str:
    """'lr 0.1', or 'generator lr 0.1, critic lr 0.2' of several optimizers."""
    rates: dict[str, list[float]] = {}
    for key, values in lrs.items():  # an optimizer's base rate goes first
        rates.setdefault(key.rpartition('.')[0], values)
    return ', '.join(
        f'{name} lr {", ".join(f"{v:g}" for v in values)}'.lstrip()
        for name, values in rates.items()
    )
