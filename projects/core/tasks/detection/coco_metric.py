"""COCO box metrics: pycocotools' twelve numbers, and what else they were made of.

Legend: D detections, G ground truths, T = 10 IoU thresholds, R = 101 recalls,
K categories, A = 4 areas (all, small, medium, large), M = 3 limits of
detections per image (1, 10, 100). Boxes of detections are xywh in pixels of
the image file, as in a COCO results file.
"""

import contextlib
import io
import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric as _CocoMetric
from mmengine.fileio import dump
from mmengine.logging import print_log
from terminaltables import AsciiTable

from projects.core.errors import UserError
from projects.core.reports.blocks import Section
from projects.core.tasks.detection import coco_engine
from projects.core.tasks.detection.coco_engine import BACKENDS, STATS, summary
from projects.core.tasks.detection.matching import Detections, GroundTruths
from projects.core.tasks.detection.sections import Outcome, sections_of
from projects.core.tasks.detection.why_zero import Evaluated, why_zero
from projects.registry import METRICS


@METRICS.register_module()
class CocoMetric(_CocoMetric):
    """COCO box metrics by the book, with a reason wherever mAP is zero.

    What else there is to know of the same detections, :meth:`sections` tells.

    Gives ``bbox_mAP``, ``bbox_mAP_50``, ``bbox_mAP_75``, ``bbox_mAP_s``,
    ``_m``, ``_l``, ``bbox_AR@1``, ``@10``, ``@100`` and ``bbox_AR_s``,
    ``_m``, ``_l``, each in [0, 1], or -1 where there is no ground truth. They
    are those of pycocotools in its default setting, not rounded. mmdet's
    metric of this name counts 1000 detections an image in place of 100,
    rounds to three digits, and gives nothing if nothing was detected.

    All images of the annotation file count, those that were not predicted
    too; of its categories, those named in ``dataset_meta['classes']``: label
    i is the i-th of them in the order of the file, as in mmdet's CocoDataset.

    Args:
        ann_file: Annotations in COCO format; without, the ground truth of the
            data samples is used.
        metric: 'bbox' or ['bbox']; for masks and proposals use mmdet's own.
        classwise: Log a table of all classes.
        backend: 'pycocotools', 'faster-coco-eval' (the same numbers, several
            times as fast), or 'auto' for the latter where it is installed. The log
            says which it was.
        format_only: Write the results file, compute nothing.
        outfile_prefix: Write ``<outfile_prefix>.bbox.json``, detections in
            COCO's results format.
        score_thr: Least score of the detections that a user of the model would
            see, for what :meth:`sections` tells; the numbers know no threshold.
        backend_args: File backend for ``ann_file``.
        collect_device: 'cpu' or 'gpu', see
            :class:`mmengine.evaluator.BaseMetric`.
        prefix: Of the metric names, 'coco' by default.
        only_predicted: Images of ``ann_file`` that were not predicted do not count:
            the data are a part of it.

    Raises:
        ValueError: If an argument is not one of those above.
        UserError: If 'faster-coco-eval' is asked for and not installed.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | list[str] = 'bbox',
        classwise: bool = True,
        backend: str = 'auto',
        format_only: bool = False,
        outfile_prefix: str | None = None,
        score_thr: float = 0.3,
        backend_args: dict | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        only_predicted: bool = False,
    ) -> None:
        if metric not in ('bbox', ['bbox']):
            raise ValueError(
                f"metric must be 'bbox', not {metric!r}; for "
                "others use type='mmdet.CocoMetric'"
            )
        if backend not in BACKENDS:
            raise ValueError(f'backend must be one of {BACKENDS}, not {backend!r}')
        if not 0 <= score_thr <= 1:
            raise ValueError(f'score_thr must be in [0, 1], not {score_thr!r}')
        if format_only and outfile_prefix is None:
            raise ValueError('format_only=True needs an outfile_prefix')
        if backend == 'faster-coco-eval' and coco_engine.faster_coco_eval is None:
            raise UserError(
                'faster-coco-eval is not installed: pip install '
                "faster-coco-eval, or set backend='auto'"
            )
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools' chat
            super().__init__(
                ann_file=ann_file,
                metric=metric,
                classwise=classwise,
                format_only=format_only,
                outfile_prefix=outfile_prefix,
                backend_args=backend_args,
                collect_device=collect_device,
                prefix=prefix,
            )
        self.ann_file = ann_file
        self.backend = backend
        self.only_predicted = only_predicted
        self.score_thr = score_thr
        self._outcome: Outcome | None = None

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        super().process(data_batch, data_samples)
        if data_samples:
            added = self.results[-len(data_samples) :]
            for (_, prediction), sample in zip(added, data_samples, strict=True):
                prediction['img_path'] = sample.get('img_path')

    def sections(self, dataset) -> list[Section]:
        """What the last evaluation found beside the twelve numbers.

        Args:
            dataset: Of the images, for the pictures of the best and the worst.
        """
        return [] if self._outcome is None else sections_of(self._outcome, dataset)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The twelve numbers from the (ground truth, prediction) pairs."""
        if self._coco_api is None:
            self._coco_api = self._ground_truth([gt for gt, _ in results])
        if self.only_predicted:
            self._leave_out_others({gt['img_id'] for gt, _ in results})
        gt = self._coco_api
        for ann in gt.dataset.setdefault('annotations', []):
            ann.setdefault('iscrowd', 0)  # COCOeval takes it for granted
            ann.setdefault('area', ann['bbox'][2] * ann['bbox'][3])
        if self.cat_ids is None:
            self.cat_ids = gt.get_cat_ids(cat_names=self.dataset_meta['classes'])
            self.img_ids = gt.get_img_ids()
        predictions = [prediction for _, prediction in results]
        # in the order that COCOeval counts them in
        first = np.unique(self.img_ids, return_index=True)[1]
        img_ids = [self.img_ids[i] for i in first]
        detections, left_out = self._detections(predictions, img_ids)
        coco_detections = self._to_coco(detections, img_ids)
        if self.outfile_prefix is not None:
            path = f'{self.outfile_prefix}.bbox.json'
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            dump(coco_detections, path)
        self._outcome = None
        if self.format_only:
            return {}
        for reason, count in left_out.items():
            self._log(f'{count} detections left out, {reason}', logging.WARNING)
        num_missing = len(set(self.img_ids) - {p['img_id'] for p in predictions})
        if num_missing:
            self._log(
                f'{num_missing} of the {len(self.img_ids)} images of '
                f'{self._source} were not predicted; what is on them '
                'counts as missed',
                logging.WARNING,
            )

        evaluated = Evaluated(
            self._source,
            gt.dataset,
            self.img_ids,
            self.cat_ids,
            self.dataset_meta['classes'],
            coco_detections,
            left_out,
        )
        if self.cat_ids:
            stats, precision, recall = self._evaluate(coco_detections)
            # by label, not by category
            column = [sorted(self.cat_ids).index(cat_id) for cat_id in self.cat_ids]
            self._outcome = Outcome(
                classes=[gt.cats[cat_id]['name'] for cat_id in self.cat_ids],
                img_ids=img_ids,
                paths={p['img_id']: p.get('img_path') for p in predictions},
                detections=detections,
                truths=GroundTruths.of_coco(
                    gt.dataset['annotations'], img_ids, self.cat_ids
                ),
                precision=precision[:, :, column, 0, -1],
                recall=recall[:, column, 0, -1],
                score_thr=self.score_thr,
            )
        else:  # COCOeval would take no category for all of them
            stats = np.full(len(STATS), -1.0)
        self._log(f'bbox, by {coco_engine.described(self._engine)}:\n{summary(stats)}')
        if self.classwise and self._outcome is not None:
            self._log('\n' + _class_table(self._outcome))
        if stats[0] <= 0:
            reason = why_zero(
                evaluated, lambda: self._evaluate(coco_detections, use_cats=False)[0][1]
            )
            self._log(
                f'bbox_mAP is {stats[0]:.0f}: {reason}{self._how_to_explain}',
                logging.WARNING,
            )
        return {
            f'bbox_{key}': float(value) for key, value in zip(STATS, stats, strict=True)
        }

    @property
    def _engine(self) -> str:
        return coco_engine.engine_of(self.backend, self.img_ids)

    @property
    def _source(self) -> str:
        return self.ann_file or 'the ground truth'

    @property
    def _how_to_explain(self) -> str:
        """The tool that looks for more reasons, where there is a file for it."""
        if self.ann_file is None:
            return ''
        return (
            '. To look for more: tools/test.py with --out results.json, then '
            f'tools/analysis_tools/explain_map.py results.json {self.ann_file}'
        )

    @staticmethod
    def _log(message: str, level: int = logging.INFO) -> None:
        print_log(message, logger='current', level=level)

    def _ground_truth(self, gts: list[dict]) -> COCO:
        """COCO object of the ground truth in the data samples."""
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stdout(io.StringIO()),
        ):
            path = self.gt_to_coco_json(gts, str(Path(folder, 'data')))
            return COCO(path)

    def _leave_out_others(self, img_ids: set) -> None:
        """Leave all but some images out of the ground truth."""
        document = self._coco_api.dataset
        for key, name in (('images', 'id'), ('annotations', 'image_id')):
            document[key] = [e for e in document.get(key, []) if e[name] in img_ids]
        with contextlib.redirect_stdout(io.StringIO()):
            self._coco_api.createIndex()

    def _detections(
        self, predictions: list[dict], img_ids: list
    ) -> tuple[Detections, Counter]:
        """Detections that count; number of those left out by the reason."""
        images = {img_id: i for i, img_id in enumerate(img_ids)}
        left_out = Counter()
        strange = [
            p for p in predictions if p['img_id'] not in images and len(p['scores'])
        ]
        if strange:
            left_out[
                f'their image ids (such as {strange[0]["img_id"]!r}) are not '
                f'in {self._source}'
            ] = sum(len(p['scores']) for p in strange)
        predictions = [p for p in predictions if p['img_id'] in images]
        image = np.repeat(
            np.array([images[p['img_id']] for p in predictions], np.int64),
            np.array([len(p['scores']) for p in predictions], np.int64),
        )
        # from an empty list there is nothing to concatenate
        bboxes = np.concatenate(
            [np.zeros((0, 4)), *(np.reshape(p['bboxes'], (-1, 4)) for p in predictions)]
        )
        scores = np.concatenate([np.zeros(0), *(p['scores'] for p in predictions)])
        labels = np.concatenate(
            [np.zeros(0, np.int64), *(p['labels'] for p in predictions)]
        )
        finite = np.isfinite(bboxes).all(1) & np.isfinite(scores)
        known = (labels >= 0) & (labels < len(self.cat_ids))
        for mask, reason in (
            (~finite, 'their boxes or scores are not finite: the model has diverged'),
            (
                finite & ~known,
                f'their labels have no category: {self._source} has '
                f"{len(self.cat_ids)} of the model's "
                f'{len(self.dataset_meta["classes"])} classes',
            ),
        ):
            if mask.any():
                left_out[reason] = int(mask.sum())
        bboxes[:, 2:] -= bboxes[:, :2]  # xyxy to xywh
        rows = finite & known
        return Detections(image, labels, bboxes, scores)[rows], left_out

    def _to_coco(self, detections: Detections, img_ids: list) -> list[dict]:
        """Detections in COCO's results format."""
        return [
            dict(
                image_id=img_ids[image],
                bbox=bbox,
                score=score,
                category_id=self.cat_ids[label],
            )
            for image, label, bbox, score in zip(
                detections.image.tolist(),
                detections.label.tolist(),
                detections.bboxes.tolist(),
                detections.score.tolist(),
                strict=True,
            )
        ]

    def _evaluate(
        self, detections: list[dict], use_cats: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See :func:`projects.core.tasks.detection.coco_engine.evaluate`."""
        return coco_engine.evaluate(
            self._engine,
            self._coco_api,
            detections,
            self.img_ids,
            self.cat_ids,
            use_cats,
        )


def _class_table(outcome: Outcome) -> str:
    """One row per class, in the order of the labels."""

    def mean(values: np.ndarray) -> str:
        values = values[values > -1]  # -1: no ground truth
        return f'{values.mean():.3f}' if values.size else '-'

    truths = outcome.truths
    num_classes = len(outcome.classes)
    num_gts = np.bincount(truths.label[~truths.crowd], minlength=num_classes)
    num_dets = np.bincount(outcome.detections.label, minlength=num_classes)
    rows = [['class', 'gts', 'dets', 'AP', 'AP50', 'AR@100']]
    for k, name in enumerate(outcome.classes):
        rows.append(
            [
                name,
                num_gts[k],
                num_dets[k],
                mean(outcome.precision[:, :, k]),
                mean(outcome.precision[0, :, k]),
                mean(outcome.recall[:, k]),
            ]
        )
    return AsciiTable(rows).table
