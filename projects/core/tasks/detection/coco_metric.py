"""COCO box metrics: pycocotools' twelve numbers, and why a mAP is zero.

Legend: D detections, G ground truths, T = 10 IoU thresholds, R = 101 recalls,
K categories, A = 4 areas (all, small, medium, large), M = 3 limits of
detections per image (1, 10, 100). Boxes of detections are xywh in pixels of
the image file, as in a COCO results file.
"""

import contextlib
import io
import logging
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval
from mmdet.evaluation import CocoMetric as _CocoMetric
from mmengine.fileio import dump
from mmengine.logging import print_log
from pycocotools import mask as mask_utils
from terminaltables import AsciiTable

from projects.core.errors import UserError, listed
from projects.registry import METRICS

try:
    import faster_coco_eval
except ImportError:  # an extra: the same numbers, later
    faster_coco_eval = None

BACKENDS = ('auto', 'pycocotools', 'faster-coco-eval')
# pycocotools' stats in their order: key, and the words of its summary
STATS = {
    'mAP': ('AP', '0.50:0.95', 'all', 100),
    'mAP_50': ('AP', '0.50', 'all', 100),
    'mAP_75': ('AP', '0.75', 'all', 100),
    'mAP_s': ('AP', '0.50:0.95', 'small', 100),
    'mAP_m': ('AP', '0.50:0.95', 'medium', 100),
    'mAP_l': ('AP', '0.50:0.95', 'large', 100),
    'AR@1': ('AR', '0.50:0.95', 'all', 1),
    'AR@10': ('AR', '0.50:0.95', 'all', 10),
    'AR@100': ('AR', '0.50:0.95', 'all', 100),
    'AR_s': ('AR', '0.50:0.95', 'small', 100),
    'AR_m': ('AR', '0.50:0.95', 'medium', 100),
    'AR_l': ('AR', '0.50:0.95', 'large', 100),
}


def summary(stats: np.ndarray) -> str:
    """The twelve lines that pycocotools prints, from its (12, ) stats."""
    titles = dict(AP='Average Precision', AR='Average Recall')
    return '\n'.join(
        f' {titles[kind]:<18} ({kind}) @[ IoU={iou:<9} | area={area:>6} | '
        f'maxDets={max_dets:>3} ] = {value:0.3f}'
        for (kind, iou, area, max_dets), value in zip(
            STATS.values(), stats, strict=True
        )
    )


@METRICS.register_module()
class CocoMetric(_CocoMetric):
    """COCO box metrics by the book, with a reason wherever mAP is zero.

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
            times as fast), or 'auto' for the latter where it is installed.
        format_only: Write the results file, compute nothing.
        outfile_prefix: Write ``<outfile_prefix>.bbox.json``, detections in
            COCO's results format.
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
        if format_only and outfile_prefix is None:
            raise ValueError('format_only=True needs an outfile_prefix')
        if backend == 'faster-coco-eval' and faster_coco_eval is None:
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
        detections, left_out = self._to_coco(predictions)
        if self.outfile_prefix is not None:
            path = f'{self.outfile_prefix}.bbox.json'
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            dump(detections, path)
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

        if self.cat_ids:
            stats, precision, recall = self._evaluate(detections)
        else:  # COCOeval would take no category for all of them
            stats = np.full(len(STATS), -1.0)
        self._log('bbox:\n' + summary(stats))
        if self.classwise and self.cat_ids:
            self._log('\n' + self._class_table(detections, precision, recall))
        if stats[0] <= 0:
            self._log(
                f'bbox_mAP is {stats[0]:.0f}: ' + self._why_zero(detections, left_out),
                logging.WARNING,
            )
        return {
            f'bbox_{key}': float(value) for key, value in zip(STATS, stats, strict=True)
        }

    @property
    def _source(self) -> str:
        return self.ann_file or 'the ground truth'

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

    def _to_coco(self, predictions: list[dict]) -> tuple[list[dict], Counter]:
        """Detections in COCO's results format; number left out per reason."""
        detections, left_out = [], Counter()
        img_ids = set(self.img_ids)
        for prediction in predictions:
            image_id = prediction['img_id']
            boxes = np.array(prediction['bboxes'], np.float64)  # xyxy, a copy
            boxes = np.reshape(boxes, (-1, 4))
            scores = np.asarray(prediction['scores'], np.float64)
            labels = np.asarray(prediction['labels'])
            if image_id not in img_ids:
                if len(boxes):
                    left_out[
                        f'their image ids (such as {image_id!r}) are not '
                        f'in {self._source}'
                    ] += len(boxes)
                continue
            finite = np.isfinite(boxes).all(1) & np.isfinite(scores)
            known = (labels >= 0) & (labels < len(self.cat_ids))
            for mask, reason in (
                (
                    ~finite,
                    'their boxes or scores are not finite: the model has diverged',
                ),
                (
                    finite & ~known,
                    f'their labels have no category: {self._source} has '
                    f"{len(self.cat_ids)} of the model's "
                    f'{len(self.dataset_meta["classes"])} classes',
                ),
            ):
                if mask.any():
                    left_out[reason] += int(mask.sum())
            boxes[:, 2:] -= boxes[:, :2]
            keep = finite & known
            detections += [
                dict(
                    image_id=image_id,
                    bbox=box,
                    score=score,
                    category_id=self.cat_ids[label],
                )
                for box, score, label in zip(
                    boxes[keep].tolist(),
                    scores[keep].tolist(),
                    labels[keep].tolist(),
                    strict=True,
                )
            ]
        return detections, left_out

    def _evaluate(
        self, detections: list[dict], use_cats: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """COCOeval in its default setting.

        Returns:
            tuple: (12, ) stats, (T, R, K, A, M) precision and (T, K, A, M)
            recall; categories in ascending order of their ids.
        """
        gt, evaluator = self._coco_api, COCOeval
        coco_class, options = COCO, {}
        if self.backend == 'faster-coco-eval' or (
            self.backend == 'auto'
            and faster_coco_eval is not None
            # it makes integers of image ids, pycocotools takes any
            and all(isinstance(i, int) for i in self.img_ids)
        ):
            coco_class = faster_coco_eval.COCO
            evaluator = faster_coco_eval.COCOeval_faster
            options = dict(print_function=lambda *args, **kwargs: None)
        with contextlib.redirect_stdout(io.StringIO()):
            if coco_class is not COCO:
                gt = coco_class(gt.dataset)
            dt = coco_class()
            dt.dataset = dict(
                images=gt.dataset['images'],
                categories=gt.dataset['categories'],
                annotations=[  # what loadRes adds; that fails on an empty list
                    dict(d, id=i, iscrowd=0, area=d['bbox'][2] * d['bbox'][3])
                    for i, d in enumerate(detections, 1)
                ],
            )
            dt.createIndex()
            coco_eval = evaluator(gt, dt, 'bbox', **options)
            coco_eval.params.catIds = list(self.cat_ids)
            coco_eval.params.imgIds = list(self.img_ids)
            coco_eval.params.useCats = int(use_cats)
            coco_eval.evaluate()
            coco_eval.accumulate()
            coco_eval.summarize()
        return (
            np.asarray(coco_eval.stats[: len(STATS)], np.float64),
            np.asarray(coco_eval.eval['precision']),
            np.asarray(coco_eval.eval['recall']),
        )

    def _gt_annotations(self) -> list[dict]:
        """Ground truths that count: of our categories, and no crowd."""
        cat_ids, img_ids = set(self.cat_ids), set(self.img_ids)
        return [
            ann
            for ann in self._coco_api.dataset['annotations']
            if ann['category_id'] in cat_ids
            and not ann['iscrowd']
            and ann['image_id'] in img_ids
        ]

    def _class_table(
        self, detections: list[dict], precision: np.ndarray, recall: np.ndarray
    ) -> str:
        """One row per class, in the order of the labels."""

        def mean(values: np.ndarray) -> str:
            values = values[values > -1]  # -1: no ground truth
            return f'{values.mean():.3f}' if values.size else '-'

        num_gts = Counter(a['category_id'] for a in self._gt_annotations())
        num_dets = Counter(d['category_id'] for d in detections)
        rows = [['class', 'gts', 'dets', 'AP', 'AP50', 'AR@100']]
        for cat_id in self.cat_ids:
            k = sorted(self.cat_ids).index(cat_id)
            rows.append(
                [
                    self._coco_api.cats[cat_id]['name'],
                    num_gts[cat_id],
                    num_dets[cat_id],
                    mean(precision[:, :, k, 0, -1]),
                    mean(precision[0, :, k, 0, -1]),
                    mean(recall[:, k, 0, -1]),
                ]
            )
        return AsciiTable(rows).table

    def _why_zero(self, detections: list[dict], left_out: Counter) -> str:
        """The reason of a mAP of 0 or -1, and where to look."""
        classes = self.dataset_meta['classes']
        gts = self._gt_annotations()
        if not self.cat_ids:
            names = [c['name'] for c in self._coco_api.dataset['categories']]
            return (
                f'no class of the dataset ({listed(classes)}) is a '
                f'category of {self._source} ({listed(names)}); set '
                "metainfo=dict(classes=...) of the dataset to the file's"
            )
        if not gts:
            num_anns = len(self._coco_api.dataset['annotations'])
            return (
                f'no ground truth: {self._source} holds {num_anns} '
                f'annotations, none of them of the {len(classes)} classes '
                f'({listed(classes)}) and not a crowd'
            )
        if not detections and left_out:
            return 'all detections were left out, ' + '; '.join(left_out)
        if not detections:
            return (
                'no detection at all: the model gives nothing above its '
                'score threshold (score_thr in model.test_cfg). It is '
                'untrained, its training has failed, or the threshold is '
                'too high'
            )
        best_iou = self._best_iou(detections, gts)
        if best_iou < 0.5:
            return (
                'no detection overlaps a ground truth of any class by '
                f'IoU 0.5, the best IoU is {best_iou:.2f}. '
                + self._frame_hint(detections, gts)
            )
        if self._best_iou(detections, gts, 'category_id') < 0.5:
            ap50 = self._evaluate(detections, use_cats=False)[0][1]
            names = [self._coco_api.cats[i]['name'] for i in self.cat_ids]
            return (
                f'boxes are found (AP50 regardless of class: {ap50:.3f}), '
                'but with other labels than theirs: compare the order of '
                'the classes in training with that of the categories in '
                f'{self._source} ({listed(names)})'
            )
        return (
            'detections meet ground truths in box and class, yet '
            'pycocotools does not count them: over 100 detections of the '
            'image score higher, or the annotation has the id 0, which it '
            'takes for unmatched (number the annotations from 1)'
        )

    @staticmethod
    def _best_iou(detections: list[dict], gts: list[dict], *keys: str) -> float:
        """Largest IoU within an image, of pairs that agree in ``keys`` too."""
        groups = defaultdict(lambda: ([], []))
        for side, anns in enumerate((detections, gts)):
            for ann in anns:
                group = tuple(ann[key] for key in ('image_id', *keys))
                groups[group][side].append(ann['bbox'])
        return max(
            (  # (D, G) IoUs per group, none of the G a crowd
                float(
                    mask_utils.iou(
                        np.array(det_boxes, np.float64),
                        np.array(gt_boxes, np.float64),
                        [0] * len(gt_boxes),
                    ).max()
                )
                for det_boxes, gt_boxes in groups.values()
                if det_boxes and gt_boxes
            ),
            default=0.0,
        )

    @staticmethod
    def _frame_hint(detections: list[dict], gts: list[dict]) -> str:
        """In which frame the detections seem to be, from their extent."""
        boxes = np.array([d['bbox'] for d in detections])
        if (boxes[:, 2:] <= 0).any(1).mean() > 0.5:
            return (
                'Most boxes have no width or height: bboxes of '
                'pred_instances must be (x1, y1, x2, y2)'
            )
        corner = boxes[:, :2] + boxes[:, 2:]
        if corner.max() <= 2:
            return (
                'All boxes end within 2 pixels of the origin: they look '
                'normalised to [0, 1]; they must be in pixels of the '
                'image file'
            )
        gt_boxes = np.array([g['bbox'] for g in gts], np.float64)
        gt_corner = gt_boxes[:, :2] + gt_boxes[:, 2:]
        # 95 %: a few wild boxes shall not hide the frame of the others
        extent = np.percentile(corner, 95, axis=0)
        gt_extent = np.percentile(gt_corner, 95, axis=0)
        ratio = extent / gt_extent
        reach = (
            f'Detections reach to x = {extent[0]:.0f}, '
            f'y = {extent[1]:.0f}, ground truths to '
            f'x = {gt_extent[0]:.0f}, y = {gt_extent[1]:.0f} pixels: '
        )
        if ratio.max() < 0.7 or ratio.min() > 1.4:
            frame = 'smaller' if ratio.max() < 0.7 else 'larger'
            return (
                f'{reach}they look to be in a {frame} frame, such as that '
                'of the network input; they must be scaled back by '
                'scale_factor to the image file'
            )
        return (
            f'{reach}the scale is right, the places are not; the model '
            'is untrained, or image and boxes are transformed differently'
        )
