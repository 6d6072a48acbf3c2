"""Python API of ``tools/test.py``."""

import os.path as osp
import tempfile

from mmengine.config import Config
from mmengine.dist import is_main_process

from projects.core.config import (
    config_notices,
    explained,
    load_config,
    unread_keys,
)
from projects.core.engine.evaluation_hook import EvaluationHook
from projects.core.engine.training import set_up
from projects.core.engine.views_hook import use_views
from projects.core.files import check_outputs, make_folder
from projects.core.quiet import quiet_libraries
from projects.core.reports.evaluation import FILE
from projects.core.tasks.task import TestOptions, task_of
from projects.core.values import FLAG, LAUNCHER, PATH, checked, optional
from projects.core.weights import check_file
from projects.registry import RUNNERS


@checked(
    config=PATH,
    checkpoint=PATH,
    work_dir=optional(PATH),
    out=optional(PATH),
    show_dir=optional(PATH),
    launcher=LAUNCHER,
    tta=FLAG,
)
def evaluate(
    config: str,
    checkpoint: str,
    work_dir: str | None = None,
    out: str | None = None,
    show_dir: str | None = None,
    launcher: str = 'none',
    cfg_options: list[str] | None = None,
    tta: bool = False,
) -> dict[str, float]:
    """Evaluate a checkpoint by the config's test metric.

    What else is reported, and what ``out`` and ``show_dir`` hold, is a matter of
    the task: see ``prepare_test`` and ``close_test`` of its
    :class:`projects.core.tasks.task.Task`. Its tables and pictures go to
    ``<work_dir>/test_evaluation``, and with ``out`` beside that too, as
    ``<out without its ending>_evaluation``.

    Args:
        config: Config file.
        checkpoint: Weights of the config's model.
        work_dir: Folder for the log; ``work_dirs/<config's name>`` by
            default.
        out: File for the detections in the COCO results format; of a
            classifier for the five best classes of each image.
        show_dir: Folder for a picture of each image with its detections; of
            a classifier for one of each image that it gets wrong.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
        cfg_options: Settings over the config's, as ``key.sub=value``.
        tta: Whether predictions of several views of each image are merged, see
            :mod:`projects.core.tasks.views`.

    Returns:
        The metrics by name, unrounded.

    Raises:
        UserError: On a mistake in the config, the data or the arguments.
    """
    quiet_libraries()
    cfg = load_config(config, cfg_options)
    notices = config_notices(cfg, config, cfg_options, training=False)
    check_file(checkpoint)
    with explained(cfg), tempfile.TemporaryDirectory() as scratch:
        views = None
        if tta:  # the training data say which views there are
            views = task_of(cfg).views(cfg, config)
            use_views(cfg, views)
        _test_only(cfg)
        set_up(cfg, config, work_dir, launcher)
        cfg.load_from, cfg.resume = checkpoint, False
        task, options = task_of(cfg), TestOptions(config, out, show_dir, scratch)
        task.prepare(cfg)
        task.prepare_test(cfg, options)
        notices += [*unread_keys(cfg), *task.check_data(cfg)]
        beside = None
        if out is not None:
            beside = osp.splitext(out)[0] + '_evaluation'
            check_outputs([osp.join(beside, FILE)], '--out')
        make_folder(cfg.work_dir)
        runner = RUNNERS.build(cfg)
        # none in a runner that is not ours
        hooks = [hook for hook in runner.hooks if isinstance(hook, EvaluationHook)]
        for hook in hooks:
            hook.beside = beside
            hook.views = views and views.words
        for line in cfg.own_data:
            runner.logger.info(line)
        for notice in notices:
            runner.logger.warning(notice)
        metrics = runner.test()
        if is_main_process():
            lines = task.close_test(runner, metrics, options)
            folders = [folder for hook in hooks for folder in hook.written]
            if views is not None:
                lines.append(f'with test-time augmentation: {views.words}')
            lines += [f'evaluation: {osp.relpath(folder)}' for folder in folders]
            for line in lines:
                runner.logger.info(line)
    return metrics


def _test_only(cfg: Config) -> None:
    """Leave out what only training needs, its data above all."""
    for key in (
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'val_dataloader',
        'val_cfg',
        'val_evaluator',
        'auto_scale_lr',
    ):
        cfg.pop(key, None)
