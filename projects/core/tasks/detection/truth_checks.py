"""Whether a ground truth as its own detections gives a mAP of 1, and why not."""

import contextlib
import io
import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np
from mmdet.datasets.api_wrappers import COCO

from projects.core.errors import listed
from projects.core.tasks.detection import coco_engine
from projects.core.tasks.detection.coco_schema import CocoFile
from projects.core.tasks.detection.matching import MAX_DETS


class Cause(NamedTuple):
    """Why it is not 1, and the mAP without this and those before."""

    what: str
    after: float


def document_of(file: CocoFile) -> dict:
    """What an evaluation of boxes reads of an annotation file."""
    columns = file.annotations
    return dict(
        images=[dict(id=i) for i in file.images['id']],
        categories=[
            dict(id=i, name=name)
            for i, name in zip(
                file.categories['id'], file.categories['name'], strict=True
            )
        ],
        annotations=[
            dict(zip(('id', 'image_id', 'category_id', 'bbox'), row[:4], strict=True))
            | dict(area=row[4], iscrowd=int(row[5]))
            for row in zip(
                columns['id'],
                columns['image_id'],
                columns['category_id'],
                columns['bbox'].tolist(),
                columns['area'].tolist(),
                columns['iscrowd'],
                strict=True,
            )
        ],
    )


def map_of(document: dict, detections: list[dict]) -> float:
    """COCO's mAP, in [0, 1], or -1 without ground truth."""
    truth = COCO()
    truth.dataset = document
    img_ids = [image['id'] for image in document['images']]
    with (
        contextlib.redirect_stdout(io.StringIO()),  # pycocotools' chat
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')  # of an id 0, which is said here
        truth.createIndex()
        stats, _, _ = coco_engine.evaluate(
            coco_engine.engine_of('auto', img_ids),
            truth,
            detections,
            img_ids,
            [category['id'] for category in document['categories']],
        )
    return float(stats[0])


def check_truth(document: dict) -> tuple[float, list[Cause]]:
    """mAP of a ground truth as its own detections, and what keeps it below 1.

    Crowds are no detections, as they are ignored.
    """

    def value(annotations: list[dict]) -> float:
        detections = [dict(a, score=1.0) for a in annotations if not a['iscrowd']]
        return map_of(dict(document, annotations=annotations), detections)

    annotations = document['annotations']
    now = first = value(annotations)
    if first < 0 or first == 1:
        return first, []
    causes = []

    def add(what: str, kept: list[dict]) -> list[dict]:
        nonlocal now
        now = value(kept)
        causes.append(Cause(what, now))
        return kept

    if any(a['id'] == 0 for a in annotations):
        annotations = add(
            'an annotation has the id 0, which pycocotools takes for unmatched: number '
            'the annotations from 1',
            [dict(a, id=i) for i, a in enumerate(annotations, 1)],
        )
    flat = [
        a['id']
        for a in annotations
        if not (np.isfinite(a['bbox']).all() and min(a['bbox'][2:]) > 0)
        and not a['iscrowd']
    ]
    if flat:
        gone = set(flat)
        annotations = add(
            f'{len(flat)} boxes have no area or are not finite (annotations '
            f'{listed(flat, 3)}), and nothing can meet them: remove them',
            [a for a in annotations if a['id'] not in gone],
        )
    counts = Counter(
        (a['image_id'], a['category_id']) for a in annotations if not a['iscrowd']
    )
    many = {key for key, count in counts.items() if count > MAX_DETS}
    if many:
        image, _ = max(many, key=counts.get)
        add(
            f'{len(many)} images have over {MAX_DETS} objects of a class (image '
            f'{image!r} {max(counts.values())}), of which COCO counts {MAX_DETS} '
            'detections; without these objects',
            [a for a in annotations if (a['image_id'], a['category_id']) not in many],
        )
    return first, causes
