"""Python API behind ``tools/train.py``."""
import os.path as osp
import time
from datetime import timedelta
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_rank

from projects.core.engine.config import explained, load_config
from projects.core.engine.runner import newest_checkpoint
from projects.core.errors import UserError
from projects.core.quiet import quiet_libraries
from projects.registry import RUNNERS


def train(config: str,
          work_dir: str | None = None,
          resume: bool | str = False,
          amp: bool = False,
          seed: int | None = None,
          deterministic: bool = False,
          auto_scale_lr: bool = True,
          launcher: str = 'none',
          cfg_options: list[str] | None = None):
    """Train as a config says.

    Args:
        config: Config file.
        work_dir: Folder for logs and checkpoints; ``work_dirs/<config's
            name>`` by default, or what the config says.
        resume: True to go on from the newest checkpoint of ``work_dir``, or
            the path of one.
        amp: Mixed precision; needs a GPU.
        seed: Seed of all random numbers; the config's, or 0, by default.
        deterministic: Deterministic algorithms only; slower on a GPU.
        auto_scale_lr: Follow the total batch size where the schedule states
            its ``base_batch_size``.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
        cfg_options: Settings over the config's, as ``key.sub=value``.

    Returns:
        The runner after training.

    Raises:
        UserError: On a mistake in the config, the data or the arguments,
            before anything is written; on a loss that is not finite.
    """
    quiet_libraries()  # before the import below, which brings mmdet
    from projects.core.datasets.checks import check_detection_data
    cfg = load_config(config, cfg_options)
    with explained(cfg):
        cfg.launcher = launcher
        cfg.work_dir = work_dir or cfg.get(
            'work_dir') or osp.join('work_dirs', Path(config).stem)
        _set_up_resume(cfg, resume)
        cfg.randomness = dict(cfg.get('randomness', {}))
        cfg.randomness['seed'] = _first(seed, cfg.randomness.get('seed'), 0)
        cfg.randomness['deterministic'] = deterministic or (
            cfg.randomness.get('deterministic', False))
        if cfg.get('auto_scale_lr'):
            cfg.auto_scale_lr.enable = auto_scale_lr
        if amp:
            if not torch.cuda.is_available():
                raise UserError('--amp needs a GPU, and torch sees none here; '
                                'leave it out')
            cfg.optim_wrapper.type = 'AmpOptimWrapper'
            cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
        cfg.setdefault('runner_type', 'projects.Runner')
        notices = check_detection_data(cfg)

        runner = RUNNERS.build(cfg)
        if get_rank() == 0:
            for notice in notices:
                runner.logger.warning(notice)
        start = time.monotonic()
        runner.train()
        _close(runner, time.monotonic() - start)
    return runner


def _first(*values):
    return next((v for v in values if v is not None), None)


def _set_up_resume(cfg: Config, resume: bool | str) -> None:
    newest = newest_checkpoint(cfg.work_dir)
    if resume is True:
        if newest is None:
            raise UserError(f'--resume: {cfg.work_dir} holds no checkpoint to '
                            'go on from; leave --resume out to start, or give '
                            'its folder with --work-dir')
        resume = newest
    if resume:
        if not osp.isfile(resume):
            raise UserError(f'--resume: there is no file {resume}')
        cfg.resume, cfg.load_from = True, resume
    elif newest is not None and not cfg.get('resume'):
        raise UserError(f'{cfg.work_dir} holds {osp.basename(newest)} of an '
                        'earlier run: add --resume to go on from it, or '
                        '--work-dir NEW to start afresh beside it')


def _close(runner, seconds: float) -> None:
    """The last lines of the log: best score, its file, the pictures."""
    info = runner.message_hub.runtime_info
    lines = [f'trained in {timedelta(seconds=round(seconds))}']
    if 'best_ckpt' in info:
        lines.append(f"best score {info['best_score']:.4f}: "
                     f"{osp.relpath(info['best_ckpt'])}")
    elif info.get('last_ckpt'):
        lines.append(f"last checkpoint: {osp.relpath(info['last_ckpt'])}")
    pictures = sorted(Path(runner.work_dir, 'pictures').glob('*.png'),
                      key=lambda p: p.stat().st_mtime)
    if pictures:
        lines.append(f'pictures of detections: {osp.relpath(pictures[-1])}')
    for line in lines:
        runner.logger.info(line)
