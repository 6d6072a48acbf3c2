"""Hooks that make a run repeatable, safe to kill, and honest about NaN."""

import os.path as osp
import random
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import Hook
from torch import Tensor, nn

from projects.core.errors import UserError
from projects.core.tasks.task import task_of
from projects.registry import FUNCTIONS, HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python, NumPy and torch from (seed, epoch, rank) at each epoch.

    So a run that was resumed draws what an uninterrupted one does, and no two
    epochs draw the same.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        seed = int(
            np.random.SeedSequence(
                [runner.seed, runner.epoch, get_rank()]
            ).generate_state(1)[0]
        )
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seeds a data loader's worker from torch's seed for it.

    That one comes from the main process, which :class:`EpochSeedHook` seeds.
    """
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)


@HOOKS.register_module()
class ResumeHook(Hook):
    """Makes a run that was killed anywhere end as one that was not.

    :class:`projects.core.engine.Runner` registers it by itself. It removes
    what a kill left half-written, runs the validation that a kill cut off, and
    keeps code out of checkpoints, which are read as mere data.
    """

    priority = 'LOWEST'  # in before_train, behind CheckpointHook

    def before_run(self, runner) -> None:
        if is_main_process():
            for file in Path(runner.work_dir).glob('*.partial'):
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
        runner.message_hub.update_info('epoch_validated', runner.epoch)

    def before_train(self, runner) -> None:
        loop, epoch = runner.train_loop, runner.epoch
        done = runner.message_hub.runtime_info.get('epoch_validated')
        if runner.val_loop is None or epoch in (0, done):
            return
        if epoch >= loop.val_begin and (
            epoch % loop.val_interval == 0 or epoch == loop.max_epochs
        ):
            runner.logger.info(
                f'validation of epoch {epoch}, which the checkpoint was saved before'
            )
            runner.val_loop.run()


def _without_code(state):
    if isinstance(state, dict):
        return {k: _without_code(v) for k, v in state.items() if not callable(v)}
    if isinstance(state, list):
        return [_without_code(v) for v in state]
    return state


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops at the first loss that is not finite, before the weights change.

    Writes ``<work_dir>/nonfinite_loss.pth`` for a replay: the batch as the
    model saw it, the weights, the loss terms, the learning rates and the
    names of the data. It holds data samples, so read it with
    ``torch.load(file, weights_only=False)``; then ``model.load_state_dict(
    saved['state_dict'])`` and ``model(**saved['inputs'])`` give the losses.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        def check(module, args, inputs, losses) -> None:
            if inputs.get('mode') == 'loss':
                self._check(runner, inputs, losses)

        self._handle = runner.model.register_forward_hook(check, with_kwargs=True)

    def after_train(self, runner) -> None:
        self._handle.remove()

    def _check(self, runner, inputs: dict, losses: dict) -> None:
        terms = {
            name: torch.stack([v.sum() for v in value])
            if isinstance(value, (list, tuple))
            else value.detach()
            for name, value in losses.items()
            if isinstance(value, (Tensor, list, tuple))
        }
        finite = torch.stack([v.isfinite().all() for v in terms.values()])
        if finite.all():
            return
        lrs = runner.optim_wrapper.get_lr()
        task = task_of(runner.cfg)
        names = task.names_of(inputs)
        rank = get_rank()
        file = osp.join(
            runner.work_dir,
            'nonfinite_loss' + (f'_rank{rank}' if rank else '') + '.pth',
        )
        model: nn.Module = getattr(runner.model, 'module', runner.model)
        torch.save(
            dict(
                inputs=inputs,
                state_dict=model.state_dict(),
                losses=terms,
                lr=lrs,
                names=names,
                epoch=runner.epoch,
                iter=runner.iter,
            ),
            file,
        )
        shown = ', '.join(f'{k} {v.float().sum().item():g}' for k, v in terms.items())
        weights = all(p.isfinite().all() for p in model.parameters())
        raise UserError(
            f'the loss is not finite at epoch {runner.epoch + 1}, iteration '
            f'{runner.iter + 1}: {shown}; lr '
            f'{", ".join(f"{v:g}" for v in next(iter(lrs.values())))}; the '
            f'weights before it are {"" if weights else "not "}finite\n'
            f'{task.unit}: {", ".join(map(str, names))}\n'
            f'the batch and the weights are in {file}; lower the learning '
            f'rate, or look at these {task.unit} and their labels'
        )
