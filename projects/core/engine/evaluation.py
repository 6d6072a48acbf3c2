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
from projects.core.visualization.labels import draw_mistakes
from projects.registry import RUNNERS


def evaluate(
    config: str,
    checkpoint: str,
    work_dir: str | None = None,
    out: str | None = None,
    show_dir: str | None = None,
    launcher: str = 'none',
    cfg_options: list[str] | None = None,
) -> dict[str, float]:
    """Judge a checkpoint by the config's test metric.

    Of a classifier it also says which classes are taken for which, see
    :class:`projects.core.evaluation.ClassificationReport`.

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

    Returns:
        The metrics by name, unrounded.

    Raises:
        UserError: On a mistake in the config, the data or the arguments.
    """
    quiet_libraries()  # before the import below, which brings mmdet
    from projects.core.datasets.image_checks import check_data

    cfg = load_config(config, cfg_options)
    if not osp.isfile(checkpoint):
        raise UserError(f'there is no checkpoint {checkpoint}')
    with explained(cfg):
        _test_only(cfg)
        set_up(cfg, config, work_dir, launcher)
        cfg.load_from, cfg.resume = checkpoint, False
        classifies = _evaluator(cfg, 'Accuracy', 'SingleLabelMetric')
        if out is not None:
            _check_out(cfg, config, out)
        notices = check_data(cfg)
        make_folder(cfg.work_dir)
        if show_dir is not None and classifies:
            make_folder(show_dir, '--show-dir')
        with tempfile.TemporaryDirectory() as folder:
            if classifies:
                _add_report(cfg, out)
            else:
                _add_detections(cfg, osp.join(folder, 'out') if out else None, show_dir)
            runner = RUNNERS.build(cfg)
            for notice in notices:
                runner.logger.warning(notice)
            metrics = runner.test()
            if is_main_process():
                if classifies:
                    _close_report(runner, metrics, show_dir)
                elif out is not None:
                    os.makedirs(osp.dirname(osp.abspath(out)), exist_ok=True)
                    shutil.move(osp.join(folder, 'out.bbox.json'), out)
                if out is not None:
                    runner.logger.info(
                        ('predictions: ' if classifies else 'detections: ') + out
                    )
                if show_dir is not None:
                    runner.logger.info(f'pictures: {show_dir}')
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


def _evaluator(cfg: Config, *names: str) -> dict | None:
    """The first of the test's metrics that is of one of these types."""
    evaluators = cfg.test_evaluator
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        if evaluator.type.rpartition('.')[2] in names:
            return evaluator
    return None


def _check_out(cfg: Config, config: str, out: str) -> None:
    """Refuse a file for results that there will not be."""
    coco = _evaluator(cfg, 'CocoMetric')
    if not out.endswith('.json'):
        what = 'the COCO results format is' if coco else 'predictions are'
        raise UserError(f'--out {out}: {what} JSON; name a file that ends in .json')
    if not coco and not _evaluator(cfg, 'Accuracy', 'SingleLabelMetric'):
        raise UserError(
            f'--out {out}: the test_evaluator of {config} is no COCO metric '
            'and no accuracy, so there are no results to write'
        )


def _add_detections(
    cfg: Config, outfile_prefix: str | None, show_dir: str | None
) -> None:
    """A table of classes, the results file, the pictures."""
    evaluator = _evaluator(cfg, 'CocoMetric')
    if evaluator is not None:
        evaluator.classwise = True
        if outfile_prefix is not None:
            evaluator.outfile_prefix = outfile_prefix
    if show_dir is not None:
        cfg.custom_hooks = [
            *cfg.get('custom_hooks', []),
            dict(type='projects.DetectionPicturesHook', show_dir=show_dir),
        ]


def _add_report(cfg: Config, out: str | None) -> None:
    evaluators = cfg.test_evaluator
    cfg.test_evaluator = [
        *([evaluators] if isinstance(evaluators, dict) else evaluators),
        dict(type='projects.ClassificationReport', out_dir=cfg.work_dir, out=out),
    ]


def _close_report(runner, metrics: dict[str, float], show_dir: str | None) -> None:
    """The last lines of a classifier's test: scores, files, mistakes."""
    log, folder = runner.logger.info, osp.relpath(runner.work_dir)
    scores = ', '.join(
        f'top-{name.rpartition("/top")[2]} {value:.2f} %'
        for name, value in metrics.items()
        if '/top' in name
    )
    if scores:
        log(f'{scores} of {len(runner.test_dataloader.dataset)} images')
    log(
        'which class is taken for which: '
        f'{osp.join(folder, "confusion_matrix.png")}, '
        f'{osp.join(folder, "confusion_matrix.csv")}'
    )
    log(f'precision, recall and F1 of all classes: {osp.join(folder, "classes.csv")}')
    if show_dir is not None:
        *_, report = runner.test_loop.evaluator.metrics
        log(draw_mistakes(report.mistakes, runner.test_dataloader.dataset, show_dir))
