"""What is odd about boxes that a run could do its work with.

Legend: N boxes, (N, 4) xywh in pixels of the image file.
"""

from collections.abc import Callable

import numpy as np

from projects.core.datasets.findings import (
    ERROR,
    WARNING,
    Finding,
    Suspect,
    some_of,
)
from projects.core.tasks.detection.box_table import POLYGONS, RLE, BoxTable

DUPLICATE_IOU = 0.95
WHOLE = 0.98  # of the image's width and of its height
MANY = 0.01  # of all boxes: what is as frequent spoils results
# area of a mask by its outline, against the field: pixels at the rim count in half
AREA_TOLERANCE = 0.25
# the pixels of a mask against the area of its box, which ends between them
PIXELS_FACTOR, PIXELS_MORE = 1.1, 4


def box_findings(table: BoxTable, split: str) -> list[Finding]:
    """Findings on the boxes of a file."""
    if not len(table.boxes):
        return []
    return [
        finding
        for look in (_corners, _duplicates, _whole_images, _areas, _crowds)
        for finding in look(table, split)
    ]


def _finding(
    table: BoxTable,
    split: str,
    rows: np.ndarray,
    kind: str,
    text: str,
    advice: str,
    level: str | None = None,
    caption: Callable[[int], str] | None = None,
) -> list[Finding]:
    """A finding on some boxes, none where there are none.

    By default it is an error where there are :data:`MANY`.
    """
    if not len(rows):
        return []
    share = len(rows) / len(table.boxes)
    level = level or (ERROR if share > MANY else WARNING)
    suspects = [
        Suspect(
            table.images[table.image_of[i]],
            f'{table.names[table.image_of[i]]}\n'
            + (caption(i) if caption else table.classes[table.labels[i]]),
            [table.boxes[i].tolist()],
        )
        for i in some_of(rows)
        if table.images
    ]
    text = f'{table.path}: {len(rows):,} of {len(table.boxes):,} boxes {text}'
    names = table.names_of(rows)
    return [Finding(level, kind, split, text, advice, names, suspects)]


def duplicate_pairs(table: BoxTable) -> np.ndarray:
    """(P, 2) pairs of boxes of an image with an IoU of :data:`DUPLICATE_IOU`."""
    order = np.argsort(table.image_of, kind='stable')
    image, boxes = table.image_of[order], table.boxes[order]
    pairs = [np.zeros((0, 2), int)]
    rows = np.arange(len(order))
    for step in range(1, len(order)):
        # those that have another box of their image so many places after them
        rows = rows[rows + step < len(order)]
        rows = rows[image[rows] == image[rows + step]]
        if not len(rows):
            break
        found = rows[_iou(boxes[rows], boxes[rows + step]) >= DUPLICATE_IOU]
        pairs.append(np.stack([order[found], order[found + step]], 1))
    return np.concatenate(pairs)


def _iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, ) of pairs of xywh boxes; 0 without area."""
    low = np.maximum(boxes[:, :2], others[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
    overlap = (high - low).clip(0).prod(1)
    union = boxes[:, 2:].prod(1) + others[:, 2:].prod(1) - overlap
    return np.divide(overlap, union, out=np.zeros(len(boxes)), where=union > 0)


def _duplicates(table: BoxTable, split: str) -> list[Finding]:
    pairs = duplicate_pairs(table)
    pairs = pairs[~table.is_crowd[pairs].any(1)]
    alike = table.labels[pairs[:, 0]] == table.labels[pairs[:, 1]]
    twice, torn = pairs[alike], pairs[~alike]
    of = {second: first for first, second in torn.tolist()}
    return _finding(
        table,
        split,
        np.unique(twice[:, 1]),
        'duplicate boxes',
        f'repeat another of the same class and image (IoU {DUPLICATE_IOU:g} or more)',
        'Remove the repetitions: in training they count twice, in an evaluation one of '
        'the two is never found',
    ) + _finding(
        table,
        split,
        np.unique(torn[:, 1]),
        'two classes, one box',
        f'lie on one of another class (IoU {DUPLICATE_IOU:g} or more)',
        'Keep one class for each object, unless the classes overlap by intent',
        WARNING,
        lambda i: (
            f'{table.classes[table.labels[i]]} and {table.classes[table.labels[of[i]]]}'
        ),
    )


def _whole_images(table: BoxTable, split: str) -> list[Finding]:
    sizes = table.sizes[table.image_of]
    # of a stated size, and more than a line
    with np.errstate(invalid='ignore'):
        whole = (table.boxes[:, 2:] >= WHOLE * sizes).all(1)
    return _finding(
        table,
        split,
        np.flatnonzero(whole & ~table.is_crowd),
        'whole-image boxes',
        'cover the whole image',
        'Look at them: close-ups are sound, but converters write such a box where they '
        'find none',
        WARNING,
    )


def _corners(table: BoxTable, split: str) -> list[Finding]:
    """Boxes that are (x1, y1, x2, y2) in place of (x, y, width, height)."""
    x, y, right, bottom = table.boxes.T
    width, height = table.sizes[table.image_of].T
    with np.errstate(invalid='ignore'):
        over = (x + right > width + 1) | (y + bottom > height + 1)
        as_corners = (
            (right > x) & (bottom > y) & (right <= width + 1) & (bottom <= height + 1)
        )
    if not (over.mean() > 0.2 and as_corners.mean() > 0.95):
        return []
    return _finding(
        table,
        split,
        np.flatnonzero(over),
        'corners for sizes',
        'reach out of the image, yet nearly all would lie inside if they were '
        '[x1, y1, x2, y2]',
        'COCO has [x, y, width, height]: convert the boxes',
        ERROR,
    )


def _areas(table: BoxTable, split: str) -> list[Finding]:
    """By which the evaluation tells small, medium and large objects apart."""
    boxed = table.boxes[:, 2:].prod(1)
    kind, x1, y1, x2, y2, drawn = table.masks.T
    outlined = (kind == POLYGONS) & ~table.is_crowd
    above = table.areas > PIXELS_FACTOR * boxed + PIXELS_MORE
    findings = _finding(
        table,
        split,
        np.flatnonzero(above),
        'area above the box',
        "have an 'area' larger than width * height",
        'COCO has the area of the mask in pixels, or width * height without masks; '
        'mAP of small, medium and large objects goes by it',
    )
    # of masks alone that fill less than their box
    telling = outlined & (drawn > 0) & (drawn < 0.9 * boxed)
    by_box = telling & (np.abs(table.areas - boxed) <= 0.01 * boxed)
    if telling.any() and by_box.sum() > 0.5 * telling.sum():
        findings += _finding(
            table,
            split,
            np.flatnonzero(by_box),
            'area of the box',
            "have polygons, but the box's area in the field 'area'",
            "COCO has the mask's there: with the box's, mAP of small, medium and large "
            'objects cannot be compared with published ones',
            WARNING,
        )
    off = (
        outlined
        & (drawn > 100)  # pixels; the rim of smaller ones is most of them
        & (np.abs(table.areas - drawn) > AREA_TOLERANCE * drawn)
        & ~by_box
        & ~above
    )
    findings += _finding(
        table,
        split,
        np.flatnonzero(off) if off.mean() > MANY else np.zeros(0, int),
        'area off the mask',
        f"have an 'area' that is over {AREA_TOLERANCE:.0%} off their polygons'",
        "Compute 'area' anew, in pixels of the image: pycocotools.mask.area",
        WARNING,
    )
    outline = np.stack([x1, y1, x2 - x1, y2 - y1], 1)
    large = outlined & (np.minimum(x2 - x1, y2 - y1) > 8)
    apart = large & (_iou(table.boxes, outline) < 0.5)
    return findings + _finding(
        table,
        split,
        np.flatnonzero(apart),
        'box off its mask',
        'do not fit their own polygons (IoU below 0.5)',
        'Boxes and masks are of different images, scales or conventions: make the '
        'boxes anew from the masks',
    )


def _crowds(table: BoxTable, split: str) -> list[Finding]:
    crowd = np.flatnonzero(table.is_crowd)
    kind = table.masks[:, 0]
    wrong = np.flatnonzero(table.is_crowd & (kind != RLE) & (kind != 0))
    findings = _finding(
        table,
        split,
        wrong,
        'crowds by polygons',
        'are crowds (iscrowd=1) with polygons for a mask',
        'COCO writes crowds as run lengths, and single objects as polygons with '
        'iscrowd=0: see whether iscrowd is set by mistake',
        WARNING,
    )
    if len(crowd) > 0.2 * len(table.boxes):
        findings += _finding(
            table,
            split,
            crowd,
            'crowds',
            'are crowds (iscrowd=1)',
            'mmdet leaves crowds out of the training, and the evaluation counts none '
            'of them: set iscrowd=0 for single objects',
            ERROR,
        )
    return findings
