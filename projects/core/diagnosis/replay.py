"""Python API of ``tools/misc/replay.py``: the step in which a loss was not finite."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from projects.core.config import explained, optim_wrappers_of
from projects.core.config.saved import registered_types_only, saved_config
from projects.core.devices import device_name, find_device
from projects.core.diagnosis.finding import Finding, tell
from projects.core.diagnosis.kept_step import moved, read_step
from projects.core.diagnosis.nonfinite import (
    Origin,
    Statistics,
    Watch,
    is_nonfinite,
)
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.engine.optimizers import wrappers_of
from projects.core.engine.seeding import set_random_state
from projects.core.errors import UserError, described, listed
from projects.core.quiet import hushed, quiet_libraries
from projects.core.tasks.task import task_of
from projects.core.values import PATH, TEXT, checked, optional
from projects.core.weights import check_file, load_weights, read_checkpoint
from projects.registry import MODELS


class _Found(Exception):
    """Ends a step: what was looked for is found."""


@checked(file=PATH, device=optional(TEXT))
def replay(file: str, device: str | None = None) -> Finding:
    """Repeat the step that a NonFiniteLossHook kept, and say where its first number
    that is not finite arises.

    Nothing in the file is run: it is read as data, and the model is built of
    registered parts.

    Args:
        file: ``nonfinite_loss.pth`` of a run's work dir.
        device: 'cpu', 'cuda', ...; that of the run where it is here, by default.

    Raises:
        UserError: If the file is missing or no such file, or there is no such device.
    """
    quiet_libraries()
    check_file(file)
    saved = read_step(file)
    meta = saved['meta']
    cfg = saved_config(meta, file)
    if device is None and meta.get('device') == 'cpu':
        device = 'cpu'
    device = find_device(device)
    with explained(cfg), registered_types_only():
        DefaultScope.get_instance(
            f'replay_{time.time_ns()}', scope_name=cfg.get('default_scope')
        )
        finding = Replay(saved, cfg, file, device).run()
    for line in finding.lines:
        print_log(line, 'current')
    return finding


class Replay:
    """The repetition of a step.

    Args:
        saved: As :func:`read_step` gives it.
        cfg: The run's config.
        file: For messages.
        device: To repeat it on.
    """

    def __init__(self, saved: dict, cfg: Config, file: str, device: str) -> None:
        self.saved, self.cfg, self.file = saved, cfg, file
        self.meta, self.device = saved['meta'], torch.device(device)
        self.task = task_of(cfg)
        self.model = self._built(saved['state_dict'], file)
        # where they are not those before the step, what they are
        self.weights = 'those after the step' if saved['own_step'] else None

    def _built(self, weights: dict | None, source: str) -> nn.Module:
        settings = dict(self.cfg.model)
        if self.cfg.get('data_preprocessor') is not None:
            settings.setdefault('data_preprocessor', self.cfg.data_preprocessor)
        model = MODELS.build(settings)
        with hushed('ERROR'):  # what is not finite is said once
            if weights is None:
                model.init_weights()
            else:
                load_weights(model, weights, source)
        return model.to(self.device).train()

    def run(self) -> Finding:
        losses = ', '.join(
            f'{name} {value.float().sum().item():g}'
            for name, value in self.saved['losses'].items()
        )
        head = [
            f'the step of iteration {self.saved["iter"] + 1}, in which the loss was '
            f'not finite: {losses}; repeated on {self.device.type}'
            + (f' in {a}' if (a := self.meta.get('autocast')) else '')
        ]
        bad = {
            name: Statistics.of(p)
            for name, p in self.model.named_parameters()
            if is_nonfinite(p)
        }
        if bad:
            finding = self._of_weights(bad)
        else:
            step = self._own_step if self.saved['own_step'] else self._forward
            finding = self._watched(step, self.saved['inputs'], self.saved['random'])
            if self.saved['own_step']:
                head.append(
                    f'{type(self.model).__name__} has a train_step of its own: the '
                    'weights are those after the step'
                )
        finding.lines[:0] = head
        return finding

    def _of_weights(self, bad: dict[str, Statistics]) -> Finding:
        """Weights that were not finite: which, and what the step before did."""
        after = 'after' if self.saved['own_step'] else 'before'
        lines = [f'weights were not finite {after} this step, {len(bad)} of them:']
        modules = dict(self.model.named_modules())
        for name, statistics in list(bad.items())[:5]:
            owner = modules[name.rpartition('.')[0]]
            lines.append(f'  {name} ({type(owner).__name__}): {statistics}')
        lines += ['  ...'] * (len(bad) > 5)
        if names := self.saved.get('optimizer'):
            lines.append(
                'the state of the optimizer is not finite either, for '
                f'{len(names)} parameters: {listed(names)}'
            )
        finding = Finding('weights', parameters=list(bad), lines=lines)
        name = next(iter(bad)).rpartition('.')[0]
        finding.module, finding.module_class = name, type(modules[name]).__name__
        last = self.saved.get('last_step')
        if not isinstance(last, dict):
            lines.append(
                'no step was done before: the weights were loaded, or initialised, so'
            )
            return finding
        which = (
            'this step' if self.saved['own_step'] else f'iteration {last["iter"] + 1}'
        )
        newest = newest_checkpoint(str(Path(self.file).parent))
        try:
            weights = read_checkpoint(newest)['state_dict'] if newest else None
            self.model = self._built(weights, newest or self.file)
            source = f'those of {newest}'
        except UserError:
            newest = None
        if newest is None or any(map(is_nonfinite, self.model.parameters())):
            torch.manual_seed(0)
            self.model = self._built(None, self.file)
            source = 'new ones, as no checkpoint is beside it'
        lines.append(
            f'{which}, which made them so, repeated; the weights are {source}:'
        )
        self.weights = source
        step = self._own_step if self.saved['own_step'] else self._whole_step
        finding.last_step = self._watched(step, last['data'], last['random'])
        lines += finding.last_step.lines
        if finding.last_step.kind == 'finite':
            rate = max(max(rates) for rates in self.saved['lr'].values())
            wrappers = optim_wrappers_of(self.cfg).values()
            summed = max((w.get('accumulative_counts', 1) for w in wrappers), default=1)
            lines.append(
                'where gradients are finite, it is the step of the optimizer that was '
                f'too large, at a learning rate of {rate:g}'
                + (
                    f', or one of the {summed - 1} iterations before, whose gradients '
                    'were added'
                    if summed > 1
                    else ''
                )
            )
        return finding

    def _watched(self, step, batch: Any, random: dict) -> Finding:
        watch = Watch(self.model, batch := moved(batch, self.device))
        try:
            set_random_state(random)
            with torch.autograd.set_grad_enabled(True):
                origin = step(watch, batch)
        except _Found as found:
            origin = found.args[0]
        except Exception as error:
            origin = watch.last_origin()
            if origin is None:
                raise UserError(
                    f'{self.file}: the step cannot be repeated: {described(error)}'
                ) from error
        finally:
            watch.close()
        return self._finding(origin, watch)

    def _forward(self, watch: Watch, batch: Any) -> Origin | None:
        """The forward pass that the hook saw, and its backward pass."""
        with watch, self._autocast():
            losses = (
                self.model(**batch)
                if isinstance(batch, dict)
                else self.model(*batch, mode='loss')
            )
        return self._backward(watch, losses)

    def _whole_step(self, watch: Watch, batch: Any) -> Origin | None:
        with watch, self._autocast():
            data = self.model.data_preprocessor(batch, True)
            losses = self.model._run_forward(data, mode='loss')
        return self._backward(watch, losses)

    def _backward(self, watch: Watch, losses: dict) -> Origin | None:
        origin = watch.origin_of(losses)
        if origin is None:
            total, _ = self.model.parse_losses(losses)
            watch.watch_graph(total)
            total.backward()
        return origin

    def _own_step(self, watch: Watch, batch: Any) -> Origin | None:
        """A model's own step: each loss is looked at before its backward pass."""
        wrappers = self._optim_wrappers()
        for wrapper in wrappers_of(wrappers).values():

            def backward(loss, wrapped=wrapper.backward, **kwargs):
                if (origin := watch.origin_of(loss)) is not None:
                    raise _Found(origin)
                watch.watch_graph(loss)
                wrapped(loss, **kwargs)
                if watch.parameters:
                    raise _Found(None)

            wrapper.backward = backward
        with watch:
            losses = self.model.train_step(batch, wrappers)
        return watch.origin_of(losses)

    def _optim_wrappers(self):
        settings = self.cfg.optim_wrapper.to_dict()
        for wrapper in optim_wrappers_of(settings).values():
            wrapper['type'] = 'OptimWrapper'  # that of mixed precision needs a GPU
            for key in ('loss_scale', 'dtype', 'use_fsdp'):
                wrapper.pop(key, None)
        with hushed():
            wrappers = build_optim_wrapper(self.model, settings)
        for name, wrapper in wrappers_of(wrappers).items():
            rates = self.saved['lr'].get(f'{name}.lr' if name else 'lr', [])
            for group, lr in zip(wrapper.param_groups, rates, strict=False):
                group['lr'] = lr
            context = wrapper.optim_context
            wrapper.optim_context = partial(self._in_autocast, context)
        return wrappers

    @contextmanager
    def _in_autocast(self, context, model) -> Iterator[None]:
        with context(model), self._autocast():
            yield

    def _autocast(self):
        dtype = self.meta.get('autocast')
        if not dtype:
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, dtype))

    def _finding(self, origin: Origin | None, watch: Watch) -> Finding:
        kind = 'forward'
        if origin is None:
            origin = watch.backward_origin
            kind = 'backward' if watch.parameters else 'finite'
        if kind == 'finite':
            return Finding('finite', lines=self._differences())
        if origin is None:
            origin = Origin('unseen', 'what no node of the graph shows')
        finding = Finding(kind, origin=origin, parameters=list(watch.parameters))
        if origin.kind in ('batch', 'unseen'):
            finding.kind = origin.kind
        tell(finding, self.model, self.saved)
        return finding

    def _differences(self) -> list[str]:
        """Why a step may be finite here that was not in the run."""
        meta = self.meta
        here = device_name(self.device)
        different = []
        if meta.get('device') != self.device.type or meta.get('device_name') != here:
            different.append(
                f'the run was on {meta.get("device")} ({meta.get("device_name")}), '
                f'this is {self.device.type} ({here})'
            )
        if meta.get('torch') != torch.__version__:
            different.append(f'torch {meta.get("torch")}, here {torch.__version__}')
        if meta.get('autocast') and meta.get('device') != self.device.type:
            different.append(
                f'{meta["autocast"]} of another device computes other operations in '
                'half precision'
            )
        if self.cfg.get('compile'):
            different.append('the model was compiled, here it is not')
        if (meta.get('processes') or 1) > 1:
            different.append(
                f'{meta["processes"]} processes, whose batch norms may have been '
                'synchronised, here one'
            )
        if self.weights is not None:
            different.append(f'the weights are {self.weights}')
        return [
            'repeated here, the loss and all gradients are finite; what is different: '
            + (
                '; '.join(different)
                or 'nothing that is known, so that the order of a sum may decide: look '
                'at the largest numbers of the batch and of the weights'
            )
        ]
