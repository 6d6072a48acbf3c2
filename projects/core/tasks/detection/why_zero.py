"""Why a mAP is zero, and where to look.

Boxes are xywh in pixels of the image file, as in a COCO file.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as mask_utils

from projects.core.errors import listed


@dataclass
class Evaluated:
    """What was evaluated, in COCO's terms.

    Args:
        source: Where the ground truth is from, in words.
        dataset: The COCO document of the ground truth.
        img_ids: Images that count.
        cat_ids: Categories that count, by label.
        classes: Classes of the model.
        detections: Results in COCO's format, those that count.
        left_out: Number of detections that were not counted, by the reason.
    """

    source: str
    dataset: dict
    img_ids: Sequence
    cat_ids: Sequence
    classes: Sequence[str]
    detections: list[dict]
    left_out: Counter

    def counted_gts(self) -> list[dict]:
        """Ground truths that count: of our categories, and no crowd."""
        cat_ids, img_ids = set(self.cat_ids), set(self.img_ids)
        return [
            ann
            for ann in self.dataset['annotations']
            if ann['category_id'] in cat_ids
            and not ann['iscrowd']
            and ann['image_id'] in img_ids
        ]


def why_zero(of: Evaluated, ap50_of_boxes: Callable[[], float]) -> str:
    """The reason of a mAP of 0 or -1, and where to look.

    Args:
        of: What was evaluated.
        ap50_of_boxes: Function that gives the AP50 regardless of class.
    """
    gts = of.counted_gts()
    if not of.cat_ids:
        names = [c['name'] for c in of.dataset['categories']]
        return (
            f'no class of the dataset ({listed(of.classes)}) is a '
            f'category of {of.source} ({listed(names)}); set '
            "metainfo=dict(classes=...) of the dataset to the file's"
        )
    if not gts:
        return (
            f'no ground truth: {of.source} holds {len(of.dataset["annotations"])} '
            f'annotations, none of them of the {len(of.classes)} classes '
            f'({listed(of.classes)}) and not a crowd'
        )
    if not of.detections and of.left_out:
        return 'all detections were left out, ' + '; '.join(of.left_out)
    if not of.detections:
        return (
            'no detection at all: the model gives nothing above its '
            'score threshold (score_thr in model.test_cfg). It is '
            'untrained, its training has failed, or the threshold is '
            'too high'
        )
    best_iou = _best_iou(of.detections, gts)
    if best_iou < 0.5:
        return (
            'no detection overlaps a ground truth of any class by '
            f'IoU 0.5, the best IoU is {best_iou:.2f}. '
            + _frame_hint(of.detections, gts)
        )
    if _best_iou(of.detections, gts, 'category_id') < 0.5:
        names = {c['id']: c['name'] for c in of.dataset['categories']}
        return (
            f'boxes are found (AP50 regardless of class: {ap50_of_boxes():.3f}), '
            'but with other labels than theirs: compare the order of '
            'the classes in training with that of the categories in '
            f'{of.source} ({listed(names[i] for i in of.cat_ids)})'
        )
    return (
        'detections meet ground truths in box and class, yet '
        'pycocotools does not count them: over 100 detections of the '
        'image score higher, or the annotation has the id 0, which it '
        'takes for unmatched (number the annotations from 1)'
    )


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
