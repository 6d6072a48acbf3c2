"""A run that is asked to stop, by SIGTERM, as schedulers do before they preempt a job.

The step that is under way is finished and ``<work_dir>/stopped.pth`` written, from
which ``--resume`` goes on as if nothing had happened.
"""

import os.path as osp
from contextlib import suppress
from pathlib import Path

import torch
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from projects.core.engine.loops import EpochBasedTrainLoop as ResumableEpochs
from projects.core.engine.signals import STATUS, is_stop_asked
from projects.registry import HOOKS

STOPPED = 'stopped.pth'


@HOOKS.register_module()
class StopHook(Hook):
    """Ends a run after the step in which it was asked to stop.

    :class:`projects.core.engine.Runner` registers it by itself; SIGTERM asks within
    :func:`projects.core.engine.signals.stop_on_sigterm`. Of several processes all stop
    after the same step, whichever was asked. The process exits with the status 143.
    """

    priority = 'LOWEST'  # after schedules and checkpoints
    _group = None

    def before_train(self, runner) -> None:
        if is_distributed():  # beside NCCL's, so that no step waits for the GPU
            self._group = torch.distributed.new_group(backend='gloo')

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        loop, wrapper = runner.train_loop, runner.optim_wrapper
        counts = (
            1 if isinstance(wrapper, OptimWrapperDict) else wrapper._accumulative_counts
        )
        if (runner.iter + 1) % counts or not self._is_asked():
            return  # gradients that wait for the next step are in no checkpoint
        if isinstance(loop, IterBasedTrainLoop):
            self._stop(runner, runner.epoch, runner.iter + 1)
        elif isinstance(loop, ResumableEpochs):
            if batch_idx + 1 < len(loop.dataloader):  # else at the end of the epoch
                self._stop(runner, runner.epoch, runner.iter + 1, batch_idx + 1)

    def after_train_epoch(self, runner) -> None:
        if isinstance(runner.train_loop, EpochBasedTrainLoop) and self._is_asked():
            self._stop(runner, runner.epoch + 1, runner.iter)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        # what is being validated is on disk, mostly, and the next run validates it
        if runner._train_loop is not None and is_stop_asked():
            file = _file_of(runner, runner.epoch, runner.iter)
            if file is not None:
                self._end(runner, file)

    def after_val_epoch(self, runner, metrics=None) -> None:
        if runner._train_loop is not None and self._is_asked():
            self._stop(runner, runner.epoch, runner.iter)

    def _is_asked(self) -> bool:
        if self._group is None:
            return is_stop_asked()
        asked = torch.tensor(int(is_stop_asked()))
        torch.distributed.all_reduce(
            asked, torch.distributed.ReduceOp.MAX, group=self._group
        )
        return bool(asked)

    def _stop(self, runner, epoch: int, iteration: int, batches: int = 0) -> None:
        file = None if batches else _file_of(runner, epoch, iteration)
        if file is None:
            file = osp.join(runner.work_dir, STOPPED)
            meta = dict(epoch=epoch, iter=iteration, batches=batches)
            runner.save_checkpoint(runner.work_dir, STOPPED, meta=meta)
        if self._group is not None:  # who ends first has the others killed
            torch.distributed.barrier(group=self._group)
        self._end(runner, file)

    def _end(self, runner, file: str) -> None:
        if is_main_process():
            runner.logger.warning(
                f'stopped by SIGTERM; --resume goes on from {osp.relpath(file)}'
            )
        raise SystemExit(STATUS)


def _file_of(runner, epoch: int, iteration: int) -> str | None:
    """The checkpoint of just this place in a run, if there is one."""
    name = (
        f'epoch_{epoch}.pth'
        if isinstance(runner._train_loop, EpochBasedTrainLoop)
        else f'iter_{iteration}.pth'
    )
    file = osp.join(runner.work_dir, name)
    return file if osp.isfile(file) else None


def forget_stop(work_dir: str) -> None:
    """A later checkpoint than that of the stop is there: the run goes on from it."""
    with suppress(FileNotFoundError):
        Path(work_dir, STOPPED).unlink()
