"""A run's record of itself, kept while it trains."""

import os.path as osp
import re
import statistics
import sys
import time
from datetime import datetime, timezone
from typing import Any

import torch
from mmengine.hooks import Hook, LoggerHook

import projects
from projects.core.checkout import code_state, without_home
from projects.core.engine.checkpoint_hook import best_checkpoints
from projects.core.engine.hooks import progress_of, spared
from projects.core.engine.patience import REASON
from projects.core.engine.provenance import Origin, environment
from projects.core.engine.speed import RateHook
from projects.core.engine.step_times import StepTimesHook
from projects.core.errors import UserError
from projects.core.reports.record import (
    FINISHED,
    SCHEMA,
    STOPPED,
    Record,
    read_record,
)
from projects.core.tasks.task import task_of
from projects.registry import HOOKS

STEPS = 1_000  # the last ones, of which a rate is the median


_spared = spared('record of the run')


@HOOKS.register_module()
class RecordHook(Hook):
    """Writes :class:`projects.core.reports.record.Record` to the work dir.

    :class:`projects.core.engine.Runner` registers it by itself. It writes when the
    training begins, after each validation and at the end, or when the run is stopped.
    A run that is resumed goes on with the record that is there. A record that cannot
    be written is a warning.
    """

    priority = 'VERY_LOW'  # after CheckpointHook, which knows the best

    def __init__(self) -> None:
        self.has_failed = False
        self._record: Record | None = None

    @_spared
    def before_train(self, runner) -> None:
        origin = runner.origin or Origin(runner.cfg.filename or '')
        model = getattr(runner.model, 'module', runner.model)
        loop, (unit, _) = runner.train_loop, progress_of(runner)
        before = self._before(runner)
        now = datetime.now(timezone.utc).isoformat(timespec='seconds')
        self._start, self._first_iter = time.monotonic(), runner.iter
        parameters = list(model.parameters())
        session = dict(started=now, seconds=0.0, first_iter=runner.iter)
        self._record = Record(
            SCHEMA,
            projects.__version__,
            without_home(origin.config) or '-',
            task_of(runner.cfg).name,
            type(model).__name__,
            command=[without_home(part) for part in origin.command],
            cfg_options=[without_home(option) for option in origin.cfg_options],
            seed=runner.seed,
            world_size=runner.world_size,
            batch_size=runner._total_batch(),
            unit=unit,
            length=loop.max_epochs if unit == 'epoch' else loop.max_iters,
            epoch_length=_length(loop.dataloader),
            started=before.started if before else now,
            environment=environment(),
            code=code_state(runner.cfg.filename),
            data=_data(runner),
            overrides=[
                {
                    k: without_home(v) if isinstance(v, str) else v
                    for k, v in override.items()
                }
                for override in origin.overrides
            ],
            parameters=sum(p.numel() for p in parameters),
            trainable=sum(p.numel() for p in parameters if p.requires_grad),
            sessions=[*(before.sessions if before else []), session],
            group=origin.group or (before.group if before else None),
        )
        if before:
            for name in ('step_flops', 'macs', 'times', 'throughput', 'memory', 'best'):
                setattr(self._record, name, getattr(before, name))
        self._update(runner, '')

    def _before(self, runner) -> Record | None:
        """The record of the run that is resumed."""
        if runner.resumed_at is None:
            return None
        try:
            return read_record(runner.work_dir)
        except UserError as error:
            runner.logger.warning(f'the record of the run so far is left out: {error}')
            return None

    @_spared
    def after_val_epoch(self, runner, metrics=None) -> None:
        self._update(runner, '')

    @_spared
    def after_train(self, runner) -> None:
        self._update(runner, FINISHED)

    @_spared
    def after_stop(self, runner) -> None:
        """The run ends early; see :meth:`projects.core.engine.Runner.train`."""
        self._update(runner, STOPPED)

    def _update(self, runner, end: str) -> None:
        record = self._record
        if record is None:  # not begun, or a test
            return
        record.sessions[-1].update(
            seconds=round(time.monotonic() - self._start, 1),
            last_iter=runner.iter,
            end=end,
        )
        record.step_flops = _hook(runner, RateHook).flops or record.step_flops
        steps = _hook(runner, StepTimesHook)
        record.macs = steps.macs or record.macs
        record.times = {**record.times, **steps.times()}
        record.throughput = {**record.throughput, **self._throughput(runner)}
        peaks = dict(
            peak_rss=_peak_rss(), peak_gpu=_hook(runner, PeakMemoryHook).peak()
        )
        for name, size in peaks.items():
            if size:
                record.memory[name] = max(size, record.memory.get(name, 0))
        record.best = {
            metric: dict(
                score=score,
                at=int(number[0])
                if (number := re.findall(r'\d+(?=\.pth$)', file))
                else None,
                checkpoint=osp.basename(file),
            )
            for metric, score, file in best_checkpoints(runner)
        }
        record.stopped_early = runner.message_hub.runtime_info.get(REASON)
        record.write(runner.work_dir)

    def _throughput(self, runner) -> dict[str, float]:
        """Samples a second by the median time of the session's last steps."""
        rates = {}
        for kind, mode, loop in (
            ('train', 'train', runner.train_loop),
            ('predict', 'val', runner.val_loop),
        ):
            buffer = runner.message_hub.log_scalars.get(f'{mode}/time')
            size = loop and loop.dataloader.batch_size
            num = runner.iter - self._first_iter if kind == 'train' else STEPS
            if buffer is None or not size or num < 1:
                continue
            seconds = buffer.data[0][-min(num, STEPS) :].tolist()
            if seconds and (median := statistics.median(seconds)) > 0:
                rates[kind] = size * runner.world_size / median
        return rates


@HOOKS.register_module()
class PeakMemoryHook(Hook):
    """Most bytes of tensors on this process's GPU at any time of the training.

    :class:`projects.core.engine.Runner` registers it by itself. mmengine's log begins
    to count anew with each of its lines, so that it is asked for just before.
    """

    priority = 'NORMAL'  # before LoggerHook

    def __init__(self) -> None:
        self._peak = 0

    def _after_iter(
        self, runner, batch_idx: int, data_batch=None, outputs=None, mode='train'
    ) -> None:
        interval = next(
            (h.interval for h in runner.hooks if isinstance(h, LoggerHook)), 1
        )
        if torch.cuda.is_available() and self.every_n_inner_iters(batch_idx, interval):
            self.peak()

    def peak(self) -> int:
        """Until now; 0 without a GPU."""
        if torch.cuda.is_available():
            self._peak = max(self._peak, torch.cuda.max_memory_allocated())
        return self._peak


def _hook(runner, cls: type) -> Any:
    return next(hook for hook in runner.hooks if isinstance(hook, cls))


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:  # a stream
        return None


def _data(runner) -> dict[str, dict[str, Any]]:
    datasets = {'train': runner.train_dataloader.dataset}
    if runner.val_loop is not None:
        datasets['val'] = runner.val_loop.dataloader.dataset
    task = task_of(runner.cfg)
    return {
        name: dict(
            type=type(dataset).__name__,
            size=_length(dataset),
            checksum=task.checksum_of(dataset, _pipeline(runner.cfg, name)),
        )
        for name, dataset in datasets.items()
    }


def _pipeline(cfg, name: str) -> list:
    """Of a data loader's data set, as the config has it; empty of one around others."""
    dataset = (cfg.get(f'{name}_dataloader') or {}).get('dataset')
    return list(dataset.get('pipeline') or []) if isinstance(dataset, dict) else []


def _peak_rss() -> int:
    """Bytes of this process at most; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == 'darwin' else size * 1024
