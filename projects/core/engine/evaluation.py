"""Python API behind ``tools/test.py``."""
import os
import os.path as osp
import shutil
import tempfile

from mmengine.config import Config
from mmengine.dist import is_main_process

from projects.core.engine.config import explained, load_config
from projects.core.engine.training import make_folder, set_up
from projects.core.errors import UserError
from projects.core.quiet import quiet_libraries
from projects.registry import RUNNERS


def evaluate(config: str,
             checkpoint: str,
             work_dir: str | None = None,
             out: str | None = None,
             show_dir: str | None = None,
             launcher: str = 'none',
             cfg_options: list[str] | None = None) -> dict[str, float]:
    """Judge a checkpoint by the config's test metric.

    Args:
        config: Config file.
        checkpoint: Weights of the config's model.
        work_dir: Folder for the log; ``work_dirs/<config's name>`` by
            default.
        out: File for the detections in the COCO results format.
        show_dir: Folder for a picture of each image with its detections.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
        cfg_options: Settings over the config's, as ``key.sub=value``.

    Returns:
        The metrics by name, unrounded.

    Raises:
        UserError: On a mistake in the config, the data or the arguments.
    """
    quiet_libraries()  # before the import below, which brings mmdet
    from projects.core.datasets.checks import check_detection_data
    cfg = load_config(config, cfg_options)
    if not osp.isfile(checkpoint):
        raise UserError(f'there is no checkpoint {checkpoint}')
    if out is not None and not out.endswith('.json'):
        raise UserError(f'--out {out}: the COCO results format is JSON; name '
                        'a file that ends in .json')
    with explained(cfg):
        _test_only(cfg)
        set_up(cfg, config, work_dir, launcher)
        cfg.load_from, cfg.resume = checkpoint, False
        if show_dir is not None:
            cfg.custom_hooks = [
                *cfg.get('custom_hooks', []),
                dict(type='projects.DetectionPicturesHook', show_dir=show_dir)
            ]
        notices = check_detection_data(cfg)
        make_folder(cfg.work_dir)
        with tempfile.TemporaryDirectory() as folder:
            evaluator = _coco_evaluator(cfg)
            if evaluator is not None:
                evaluator.classwise = True
            if out is not None:
                if evaluator is None:
                    raise UserError(
                        f'--out {out}: the test_evaluator of {config} is no '
                        'COCO metric, so there are no COCO results to write')
                evaluator.outfile_prefix = osp.join(folder, 'out')
            runner = RUNNERS.build(cfg)
            for notice in notices:
                runner.logger.warning(notice)
            metrics = runner.test()
            if is_main_process():
                if out is not None:
                    os.makedirs(osp.dirname(osp.abspath(out)), exist_ok=True)
                    shutil.move(osp.join(folder, 'out.bbox.json'), out)
                    runner.logger.info(f'detections: {out}')
                if show_dir is not None:
                    runner.logger.info(f'pictures: {show_dir}')
    return metrics


def _test_only(cfg: Config) -> None:
    """Leave out what only training needs, its data above all."""
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper',
                'param_scheduler', 'val_dataloader', 'val_cfg',
                'val_evaluator', 'auto_scale_lr'):
        cfg.pop(key, None)


def _coco_evaluator(cfg: Config) -> dict | None:
    evaluators = cfg.test_evaluator
    for evaluator in ([evaluators]
                      if isinstance(evaluators, dict) else evaluators):
        if evaluator.type in ('projects.CocoMetric', 'CocoMetric'):
            return evaluator
    return None
