"""The boxes of a data set as arrays, whichever format they come from.

Legend: I images, N boxes, K classes; boxes are (N, 4) xywh in pixels of the file.
"""

import os.path as osp
from array import array
from dataclasses import dataclass
from itertools import chain

import numpy as np

from projects.core.tasks.detection.coco_checks import is_polygons, is_rle
from projects.core.tasks.detection.coco_schema import CocoFile
from projects.core.tasks.detection.voc_checks import VocXml, boxes_of_corners

# what stands for a mask; 0 is none
POLYGONS, RLE, NO_MASK = 1, 2, 3


@dataclass
class BoxTable:
    """Images and boxes of an annotation file, of the classes of a config.

    Args:
        path: The file.
        classes: K, in the order of the labels.
        images: I files; empty where their folder is not known.
        names: I, as the file has them.
        sizes: (I, 2) stated width and height; NaN where there is none.
        image_of: (N, ) in [0, I).
        labels: (N, ) in [0, K).
        boxes: (N, 4).
        areas: (N, ) the 'area' field, square pixels.
        is_crowd: (N, ) bool.
        is_ignored: (N, ) bool; VOC's difficult ones.
        box_names: N, for messages.
        masks: (N, 6) what stands for a mask, box of its outline xyxy, and its area.
    """

    path: str
    classes: list[str]
    images: list[str]
    names: list[str]
    sizes: np.ndarray
    image_of: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    is_crowd: np.ndarray
    is_ignored: np.ndarray
    box_names: list
    masks: np.ndarray

    def class_counts(self) -> dict[str, int]:
        """Boxes of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, counts, strict=True))

    def names_of(self, rows) -> list[str]:
        """Boxes in words."""
        return [
            f'{self.names[self.image_of[i]]}: {self.box_names[i]}'
            for i in np.asarray(rows).tolist()
        ]


class MaskReader:
    """Keeps of each mask its outline: the masks of a large file take gigabytes."""

    def __init__(self) -> None:
        self._rows = array('d', (0.0,) * 6)

    def __call__(self, mask) -> int:
        """Reads a segmentation; the number of its row."""
        if is_polygons(mask):
            xs = [p[0::2] for p in mask]
            ys = [p[1::2] for p in mask]
            row = (
                POLYGONS,
                min(map(min, xs)),
                min(map(min, ys)),
                max(map(max, xs)),
                max(map(max, ys)),
                sum(map(_area, xs, ys)),
            )
        else:
            row = (RLE if is_rle(mask) else NO_MASK, 0, 0, 0, 0, 0)
        self._rows.extend(row)
        return len(self._rows) // 6 - 1

    def rows(self, masks: list) -> np.ndarray:
        """(N, 6) by number, or of masks that were not read yet; of None zeros."""
        numbers = [
            mask if type(mask) is int else 0 if mask is None else self(mask)
            for mask in masks
        ]
        return np.array(self._rows).reshape(-1, 6)[numbers]


def _area(xs: list[float], ys: list[float]) -> float:
    """Of a polygon, by the shoelace formula."""
    before_x, before_y = chain(xs[-1:], xs), chain(ys[-1:], ys)
    twice = sum(
        x0 * y - x * y0
        for x0, y0, x, y in zip(before_x, before_y, xs, ys, strict=False)
    )
    return abs(twice) / 2


def table_of_coco(
    file: CocoFile, classes: list[str], prefix: str | None, masks: MaskReader
) -> BoxTable:
    """The boxes of the classes in a COCO file.

    Args:
        prefix: Folder of the images; None where it is not known.
        masks: Has read the file's.
    """
    images, annotations = file.images, file.annotations
    label_of = {name: i for i, name in enumerate(classes)}
    label_of_id = {
        id_: label_of[name]
        for id_, name in zip(
            file.categories['id'], file.categories['name'], strict=True
        )
        if name in label_of
    }
    row_of = {id_: row for row, id_ in enumerate(images['id'])}
    used = np.flatnonzero(
        [
            category in label_of_id and image in row_of
            for category, image in zip(
                annotations['category_id'], annotations['image_id'], strict=True
            )
        ]
    )
    rows = used.tolist()
    return BoxTable(
        file.path,
        classes,
        []
        if prefix is None
        else [osp.join(prefix, name) for name in images['file_name']],
        images['file_name'],
        np.stack([images['width'], images['height']], 1).reshape(-1, 2),
        np.array([row_of[annotations['image_id'][i]] for i in rows], int),
        np.array([label_of_id[annotations['category_id'][i]] for i in rows], int),
        annotations['bbox'][used],
        annotations['area'][used],
        annotations['iscrowd'][used] > 0,
        annotations['ignore'][used] > 0,
        [f'annotation {annotations["id"][i]}' for i in rows],
        masks.rows([annotations['segmentation'][i] for i in rows]),
    )


def table_of_voc(
    path: str,
    names: list[str],
    xmls: list[VocXml],
    classes: list[str],
    folder: str,
) -> BoxTable:
    """The boxes of the classes in VOC's XML files.

    Args:
        names: Of the images, I, each with its XML.
        folder: Of the images.
    """
    found = [
        (i, classes.index(name), *box)
        for i, xml in enumerate(xmls)
        for name, box in zip(
            [n for n in xml.names if n in classes], xml.boxes, strict=True
        )
    ]
    boxes = boxes_of_corners([corners for _, _, corners, _, _ in found])
    return BoxTable(
        path,
        classes,
        [osp.join(folder, f'{name}.jpg') for name in names],
        names,
        np.array([xml.size for xml in xmls], np.float64).reshape(-1, 2),
        np.array([row[0] for row in found], int),
        np.array([row[1] for row in found], int),
        boxes,
        boxes[:, 2:].prod(1),
        np.zeros(len(found), bool),
        np.array([row[3] for row in found], bool),
        [f'object {row[4]}' for row in found],
        np.zeros((len(found), 6)),
    )
