"""Python API of ``tools/train.py``."""

import json
import os
import os.path as osp
import time
from datetime import timedelta
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import EpochBasedTrainLoop

from projects.core.config import (
    config_notices,
    explained,
    load_config,
    optim_wrappers_of,
    overrides_of,
    unread_keys,
)
from projects.core.datasets.folds import Fold
from projects.core.engine.checkpoint_hook import best_checkpoints, newest_checkpoint
from projects.core.engine.disk import is_disk_full
from projects.core.engine.distributed import check_launcher
from projects.core.engine.patience import REASON as STOPPED_EARLY
from projects.core.engine.provenance import Origin, command_of
from projects.core.engine.signals import stop_on_sigterm
from projects.core.engine.trackers import set_up_trackers
from projects.core.errors import UserError, described, listed
from projects.core.files import make_folder
from projects.core.quiet import quiet_libraries
from projects.core.reports.group import MEMBER
from projects.core.reports.runs import GROUP_FILE
from projects.core.tasks.task import Task, task_of
from projects.core.values import (
    FLAG,
    LAUNCHER,
    PATH,
    SEED,
    checked,
    either,
    optional,
    pair,
    whole,
)
from projects.core.weights import read_checkpoint
from projects.registry import RUNNERS

RULES = dict(
    config=PATH,
    work_dir=optional(PATH),
    resume=either(FLAG, PATH),
    amp=FLAG,
    seed=optional(SEED),
    deterministic=FLAG,
    auto_scale_lr=FLAG,
    launcher=LAUNCHER,
    patience=optional(whole(1)),
    tensorboard=FLAG,
)


@checked(**RULES, fold=optional(pair(whole(0))))
def train(
    config: str,
    work_dir: str | None = None,
    resume: bool | str = False,
    amp: bool = False,
    seed: int | None = None,
    deterministic: bool = False,
    auto_scale_lr: bool = True,
    launcher: str = 'none',
    cfg_options: list[str] | None = None,
    fold: tuple[int, int] | None = None,
    patience: int | None = None,
    tensorboard: bool = False,
):
    """Train as a config says, and leave a page of the run, ``report.html``.

    A run that SIGTERM stops makes no page: what asked it to end gives it seconds.
    ``tools/report.py`` makes it at any time.

    Args:
        config: Config file.
        work_dir: Folder for logs and checkpoints; ``work_dirs/<config's
            name>`` by default, or what the config says.
        resume: True to go on from the newest checkpoint of ``work_dir``, or
            the path of one. A job that Slurm has started again (``--requeue``)
            goes on by itself where there is one.
        amp: Mixed precision; needs a GPU.
        seed: Seed of all random numbers; the config's, or 0, by default, and
            that of the run which is resumed.
        deterministic: Deterministic algorithms only; slower on a GPU.
        auto_scale_lr: Follow the total batch size where the schedule states
            its ``base_batch_size`` and does not set ``enable=False``.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
        cfg_options: Settings over the config's, as ``key.sub=value``.
        fold: Index and number of folds: train on all but that fold of the training
            data and validate on it. :func:`projects.core.engine.cross_validate`
            trains for each.
        patience: Validations without improvement of the metric that ``save_best``
            watches, after which the training ends; None to go on to the end. See
            :class:`projects.core.engine.patience.PatienceHook`.
        tensorboard: Also write the curves for TensorBoard, to ``tensorboard`` in the
            work dir.

    Returns:
        The runner after training.

    Raises:
        UserError: On a mistake in the config, the data or the arguments,
            before anything is written; on a loss that is not finite; on a full disk.
        SystemExit: With the status 143, if SIGTERM stopped it; see
            :class:`projects.core.engine.stopping.StopHook`.
    """
    quiet_libraries()
    cfg = load_config(config, cfg_options)
    overrides = overrides_of(cfg, config)
    notices = config_notices(cfg, config, cfg_options)
    default_seed = cfg.get('randomness', {}).get('seed') or 0
    with explained(cfg):
        set_up(cfg, config, work_dir, launcher)
        complete(
            cfg,
            _first(_set_up_resume(cfg, resume, seed), seed),
            deterministic,
            auto_scale_lr,
        )
        if cfg.randomness['deterministic']:  # cuBLAS refuses to run without
            os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        if amp:
            if not torch.cuda.is_available():
                raise UserError(
                    '--amp needs a GPU, and torch sees none here; leave it out'
                )
            _set_up_amp(cfg)
        task = task_of(cfg)
        if fold is not None:
            task.hold_out(cfg, Fold(*fold, cfg.randomness['seed']))
        task.prepare(cfg)
        if patience is not None:
            hooks = cfg.get('custom_hooks') or []
            cfg.custom_hooks = [  # in place of the config's own
                *(h for h in hooks if not str(h.get('type')).endswith('PatienceHook')),
                dict(type='projects.PatienceHook', patience=patience),
            ]
        set_up_trackers(cfg, tensorboard)
        notices += [*unread_keys(cfg), *task.check_data(cfg)]
        make_folder(cfg.work_dir)

        runner = RUNNERS.build(cfg)
        seed = cfg.randomness['seed']
        runner.origin = Origin(
            config,
            command_of(
                config,
                launcher,
                dict(
                    # of a fold: all of them, by which it is trained again
                    work_dir=work_dir if fold is None else osp.dirname(cfg.work_dir),
                    seed=None if seed == default_seed else seed,
                    folds=None if fold is None else fold[1],
                    patience=patience,
                ),
                dict(
                    amp=amp,
                    deterministic=deterministic,
                    no_auto_scale_lr=not auto_scale_lr,
                    tensorboard=tensorboard,
                ),
                cfg_options or [],
            ),
            list(cfg_options or []),
            overrides,
            json.loads(os.environ.get(MEMBER, 'null')),
        )
        _open(runner, config, cfg, task)
        for notice in notices:
            runner.logger.warning(notice)
        start = time.monotonic()
        try:
            with stop_on_sigterm():
                runner.train()
        except OSError as error:
            if not is_disk_full(error):
                raise
            last = newest_checkpoint(cfg.work_dir)
            raise UserError(
                f'{error.filename or cfg.work_dir}: {error.strerror}; make room, and '
                + (f'--resume goes on from {last}' if last else 'start again')
            ) from error
        _close(runner, time.monotonic() - start, task)
    return runner


def complete(
    cfg: Config,
    seed: int | None = None,
    deterministic: bool = False,
    auto_scale_lr: bool = True,
) -> None:
    """Set what a training needs and a config may leave out; see :func:`train`."""
    cfg.randomness = dict(cfg.get('randomness', {}))
    cfg.randomness['seed'] = _first(seed, cfg.randomness.get('seed'), 0)
    cfg.randomness['deterministic'] = deterministic or (
        cfg.randomness.get('deterministic', False)
    )
    if cfg.get('auto_scale_lr'):
        cfg.auto_scale_lr.enable = auto_scale_lr and (
            cfg.auto_scale_lr.get('enable', True)
        )


def _set_up_amp(cfg: Config) -> None:
    """Mixed precision for each of the optimizers."""
    wrappers = optim_wrappers_of(cfg)
    if not wrappers:
        raise UserError("--amp: optim_wrapper holds no 'optimizer'")
    for wrapper in wrappers.values():
        wrapper['type'] = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')


def _first(*values):
    return next((v for v in values if v is not None), None)


def set_up(cfg: Config, config: str, work_dir: str | None, launcher: str) -> None:
    """Set what a training and a test have in common: launcher, work dir and
    runner.

    Raises:
        UserError: If the launcher did not launch this process.
    """
    check_launcher(launcher)
    cfg.launcher = launcher
    cfg.work_dir = (
        work_dir or cfg.get('work_dir') or osp.join('work_dirs', Path(config).stem)
    )
    cfg.setdefault('runner_type', 'projects.Runner')


def _set_up_resume(cfg: Config, resume: bool | str, seed: int | None) -> int | None:
    """Set what is resumed, and return the seed that it was started with."""
    if osp.isfile(osp.join(cfg.work_dir, GROUP_FILE)):
        raise UserError(
            f'{cfg.work_dir} holds a group of runs: choose another folder with '
            '--work-dir, or go on with the group by its --repeat or --folds and '
            '--resume'
        )
    newest = newest_checkpoint(cfg.work_dir)
    if int(os.environ.get('SLURM_RESTART_COUNT') or 0) > 0 and newest is not None:
        resume = resume or True
    if resume is True:
        if newest is None:
            raise UserError(
                f'--resume: {cfg.work_dir} holds no checkpoint to '
                'go on from; leave --resume out to start, or give '
                'its folder with --work-dir'
            )
        resume = newest
    if cfg.get('resume') and not resume:
        resume = cfg.get('load_from') or newest
    if not resume:
        if newest is not None:
            raise UserError(
                f'{cfg.work_dir} holds {osp.basename(newest)} of '
                'an earlier run: add --resume to go on from it, '
                'or --work-dir NEW to start afresh beside it'
            )
        best = sorted(Path(cfg.work_dir).glob('best_*.pth'))
        if best:
            raise UserError(
                f'{cfg.work_dir} holds {best[0].name} of an earlier run, which this '
                'one could replace: move it, or choose another folder with --work-dir'
            )
        return None
    if newest is not None and not _is_in(resume, cfg.work_dir):
        raise UserError(
            f'--resume {resume} would go on in {cfg.work_dir}, which holds '
            f'{osp.basename(newest)} of another run: choose another folder with '
            '--work-dir'
        )
    checkpoint = read_checkpoint(resume)
    if 'optimizer' not in checkpoint:  # as in best_*.pth
        raise UserError(
            f'--resume: {resume} holds no state of the optimizer; '
            'to start from its weights use --cfg-options '
            f'load_from={resume}'
        )
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    lacks = [f'meta.{k}' for k in ('epoch', 'iter') if not whole(0).fits(meta.get(k))]
    if not isinstance(checkpoint.get('message_hub'), dict):
        lacks.append('message_hub')
    if lacks:
        raise UserError(
            f'--resume: {resume} is no checkpoint of a run of tools/train.py, it lacks '
            f'{listed(lacks)}; to start from its weights use --cfg-options '
            f'load_from={resume}'
        )
    cfg.resume, cfg.load_from = True, resume
    if seed not in (None, meta.get('seed')):
        raise UserError(
            f'--seed {seed}: the run of {resume} has the seed '
            f'{meta.get("seed")}; leave --seed out to go on'
        )
    return meta.get('seed')


def _is_in(path: str, folder: str) -> bool:
    return osp.dirname(osp.realpath(path)) == osp.realpath(folder)


def _open(runner, config: str, cfg: Config, task: Task) -> None:
    """The first lines of the log: what is trained on what, and where."""
    dataset = runner.train_dataloader.dataset
    model = getattr(runner.model, 'module', runner.model)
    loop = runner.train_loop
    length = (
        f'{loop.max_epochs} epochs'
        if isinstance(loop, EpochBasedTrainLoop)
        else f'{loop.max_iters} iterations'
    )
    try:
        size = f'{len(dataset)} {task.unit}'
    except TypeError:  # a stream
        size = f'a stream of {task.unit}'

    def millions(module) -> str:
        return f'{sum(p.numel() for p in module.parameters()) / 1e6:.2f}'

    parts = dict(model.named_children())
    shares = ', '.join(
        f'{name} {millions(parts[name])}'
        for name in optim_wrappers_of(cfg)
        if name in parts
    )
    runner.logger.info(
        f'{"resuming" if cfg.get("resume") else "training"} {config}: '
        f'{type(model).__name__}, {millions(model)} M parameters'
        f'{f" ({shares})" if shares else ""}, '
        f'on {size} of {type(dataset).__name__}, '
        f'{length}, seed {runner.seed}, '
        f'on {runner.world_size} x {next(model.parameters()).device.type}'
    )
    for line in cfg.own_data:
        runner.logger.info(line)
    runner.logger.info(f'log and checkpoints: {osp.relpath(runner.work_dir)}')


def _close(runner, seconds: float, task: Task) -> None:
    """The last lines of the log: best score, its file, the task's own."""
    info = runner.message_hub.runtime_info
    lines = [f'trained in {timedelta(seconds=round(seconds))}']
    reason = info.get(STOPPED_EARLY)
    if reason is not None:
        lines.append(reason)
        if runner.resumed_at == runner.iter:
            lines.append('nothing was left to train; a greater --patience goes on')
    elif runner.resumed_at == runner.iter:
        unit, last = (
            ('epochs', runner.max_epochs)
            if isinstance(runner.train_loop, EpochBasedTrainLoop)
            else ('iters', runner.max_iters)
        )
        lines = [
            f'the run was complete, with {last} {unit}: nothing was left to train; '
            f'--cfg-options train_cfg.max_{unit}=N goes on to N'
        ]
    lines += [
        f'best {key} {score:.4f}: {osp.relpath(file)}'
        for key, score, file in best_checkpoints(runner)
    ]
    if len(lines) == 1 and info.get('last_ckpt'):
        lines.append(f'last checkpoint: {osp.relpath(info["last_ckpt"])}')
    for line in [*lines, *task.training_results(runner)]:
        runner.logger.info(line)
    if is_main_process():
        _make_page(runner)


def _make_page(runner) -> None:
    """The page of the run; one that fails is a warning, the training is over."""
    from projects.core.reports.report import report

    try:
        runner.logger.info(f'page: {osp.relpath(report(runner.work_dir))}')
    except Exception as error:
        reason = error if isinstance(error, UserError) else described(error)
        runner.logger.warning(f'no page of the run: {reason}')
