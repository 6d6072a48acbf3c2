"""Detection, as the engine sees it."""

import os.path as osp
import shutil
from pathlib import Path
from types import MappingProxyType

from mmengine.registry import DefaultScope

from projects.core.datasets.folds import Fold, Folds, hold_out
from projects.core.errors import UserError
from projects.core.files import check_folder, check_outputs, output_file
from projects.core.tasks.evaluators import evaluator_of
from projects.core.tasks.exported import ExportOptions
from projects.core.tasks.images import ImageTask
from projects.core.tasks.overfitting import innermost
from projects.core.tasks.task import InferOptions, LookOptions, TestOptions
from projects.core.tasks.views import Views, views_of_images
from projects.registry import DATASETS


class DetectionTask(ImageTask):
    """Boxes of objects in images: mmdet's detectors."""

    name = 'a detector'
    model_bases = ('BaseDetector',)
    metrics = ('mAP',)
    known_from = MappingProxyType({'mAP': 0.95, 'mAP_50': 0.95})

    def hold_out(self, cfg, fold: Fold) -> Folds:
        folds, dataset = hold_out(cfg, fold)
        _evaluate_part(cfg, dataset.ann_file, f'--folds {fold.of}')
        return folds

    def overfit(self, cfg, num: int) -> dict[str, float]:
        train = innermost(cfg.train_dataloader.dataset)
        known_from = super().overfit(cfg, num)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
            built = DATASETS.build({**train, 'lazy_init': True, 'pipeline': []})
        _evaluate_part(cfg, built.ann_file, f'--overfit {num}')
        return known_from

    def fixed_pipeline(self, train: list[dict], val: list[dict]) -> list[dict]:
        """The steps of the validation between the first and the last of training.

        Boxes are read before the image is resized: in training they are of what the
        model is given.
        """

        def is_of(step: dict, *names: str) -> bool:
            return any(name in str(step.get('type')) for name in names)

        read = next((s for s in val if is_of(s, 'LoadImage')), val[0])
        steps = [s for s in val if s is not read]
        return [
            read,
            *(s for s in train if is_of(s, 'LoadAnnotations')),
            *(s for s in steps if not is_of(s, 'LoadAnnotations', 'Pack')),
            *(s for s in train if is_of(s, 'Pack')),
        ]

    def check_data(self, cfg) -> list[str]:
        from projects.core.tasks.detection.data_checks import check_detection_data

        return check_detection_data(cfg)

    def data_at(self, path: str, images: str | None):
        from projects.core.tasks.detection.data_at import detection_data_at

        return detection_data_at(path, images)

    def examine_data(self, cfg):
        from projects.core.tasks.detection.data_doctor import examine_detection_data

        return examine_detection_data(cfg)

    def prepare(self, cfg) -> None:
        from projects.core.tasks.detection.mmdet_fixes import fix_ssd_head

        super().prepare(cfg)
        fix_ssd_head()

    def training_results(self, runner) -> list[str]:
        pictures = sorted(
            Path(runner.work_dir, 'pictures').glob('*.png'),
            key=lambda p: p.stat().st_mtime,
        )
        return [f'pictures of detections: {osp.relpath(p)}' for p in pictures[-1:]]

    def validation_losses(self, model, dataset):
        from projects.core.tasks.detection.validation_losses import losses_of_detector

        return losses_of_detector(model, dataset)

    def train_in_part(self, model_cfg: dict, trainable_stages: int) -> None:
        model_cfg['backbone']['trainable_stages'] = trainable_stages

    def prepare_test(self, cfg, options: TestOptions) -> None:
        evaluator = evaluator_of(cfg, 'CocoMetric')
        if options.out is not None:
            if not options.out.endswith('.json'):
                raise UserError(
                    f'--out {options.out}: the COCO results format is JSON; name a '
                    'file that ends in .json'
                )
            if evaluator is None:
                raise UserError(
                    f'--out {options.out}: the test_evaluator of {options.config} is '
                    'no COCO metric, so there are no results to write'
                )
            check_outputs([options.out], '--out')
            evaluator.outfile_prefix = osp.join(options.scratch, 'out')
        if evaluator is not None:
            evaluator.classwise = True
        if options.show_dir is not None:
            check_folder(options.show_dir, '--show-dir')
            cfg.custom_hooks = [
                *cfg.get('custom_hooks', []),
                dict(type='projects.DetectionPicturesHook', show_dir=options.show_dir),
            ]

    def views(self, cfg, config: str) -> Views:
        test_cfg = cfg.model.get('test_cfg') or {}
        test_cfg = test_cfg.get('rcnn', test_cfg)
        nms = test_cfg.get('nms') or dict(
            type='nms', iou_threshold=test_cfg.get('nms_iou_thr', 0.5)
        )
        tta_cfg = dict(nms=nms, max_per_img=test_cfg.get('max_per_img', 100))
        model = dict(type='DetTTAModel', tta_cfg=tta_cfg)
        return views_of_images(cfg, config, model, enlarges=False)

    def close_test(self, runner, metrics: dict, options: TestOptions) -> list[str]:
        lines = []
        if options.out is not None:
            with (
                open(osp.join(options.scratch, 'out.bbox.json'), 'rb') as scratch,
                output_file(options.out, '--out') as file,
            ):
                shutil.copyfileobj(scratch, file)
            lines.append(f'detections: {options.out}')
        if options.show_dir is not None:
            lines.append(f'pictures: {options.show_dir}')
        return lines

    def explain(self, model, data: dict, meta: dict, options: LookOptions):
        from projects.core.tasks.detection.mmdet_fixes import fix_ssd_head
        from projects.core.tasks.detection.targets import explain_detector

        fix_ssd_head()
        return explain_detector(model, data, meta, options)

    def results(self, meta: dict, options: InferOptions):
        from projects.core.tasks.detection.mmdet_fixes import fix_ssd_head
        from projects.core.tasks.detection.results import DetectionResults

        fix_ssd_head()
        return DetectionResults(meta, options.score_thr)

    def marks(self, dataset):
        from projects.core.tasks.browsing import class_names
        from projects.core.tasks.detection.browsing import BoxMarks

        return BoxMarks(class_names(dataset))

    def exported(self, model, cfg, meta: dict, options: ExportOptions):
        from projects.core.tasks.detection.export import DetectorExport

        return DetectorExport(model, cfg, meta, options)

    def parts_of(self, model):
        from projects.core.tasks.detection.benchmark import DetectorParts

        return DetectorParts(model) if DetectorParts.fits(model) else None

    def metered(self, model, meter):
        from projects.core.tasks.detection.nms_meter import nms_as_part

        return nms_as_part(meter, 'NMS')


def _evaluate_part(cfg, ann_file: str, option: str) -> None:
    """Let the validation know the truth of other images, of which it sees a part.

    Raises:
        UserError: If the metric takes all images of its file.
    """
    evaluators = cfg.val_evaluator
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        if not evaluator.get('ann_file'):
            continue  # the ground truth comes with the samples
        if evaluator.type != 'projects.CocoMetric':
            raise UserError(
                f'{option}: val_evaluator is a {evaluator.type}, to which all images '
                'of its ann_file count; projects.CocoMetric can evaluate a part of them'
            )
        evaluator.ann_file, evaluator.only_predicted = ann_file, True


TASK = DetectionTask()
