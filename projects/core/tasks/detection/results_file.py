"""Detections in COCO's results format, read without knowing what they belong to.

Legend: D detections, U image ids and V category ids that occur among them. Boxes are
(D, 4), as they stand there; that they are xywh in pixels is not taken for granted.
"""

import reprlib
from dataclasses import dataclass
from itertools import chain

import numpy as np

from projects.core.datasets.coco_json import load_json
from projects.core.errors import UserError, listed
from projects.core.tasks.detection.coco_schema import ID, NUMBER

# what rows of other kinds of results hold
OTHER_KINDS = {
    'keypoints': 'keypoints',
    'counts': 'masks (the RLE format)',
    'caption': 'captions',
    'segments_info': 'panoptic segmentation',
}
NEEDED = ('image_id', 'category_id', 'bbox', 'score')


@dataclass
class Results:
    """Columns of a results file.

    Args:
        path: The file.
        image_ids: U values, those of ``file_name`` where ``image_id`` has others.
        image_code: (D, ) int in [0, U).
        class_ids: V values.
        class_code: (D, ) int in [0, V).
        bboxes: (D, 4), finite.
        score: (D, ), finite.
        file_names: U names of files, where the rows have them; else None.
        notices: What was left out.
    """

    path: str
    image_ids: list
    image_code: np.ndarray
    class_ids: list
    class_code: np.ndarray
    bboxes: np.ndarray
    score: np.ndarray
    file_names: list[str] | None
    notices: list[str]

    def __len__(self) -> int:
        return len(self.score)


def read_results(path: str) -> Results:
    """Read detections; those whose box or score is not finite are left out.

    Raises:
        UserError: If the file holds anything else.
    """
    rows, notices = load_json(path)
    if not isinstance(rows, list):
        raise UserError(f'{path} is no file of detections: {_content(rows)}')
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UserError(
                f'{path}: entry {index} is {reprlib.repr(row)}; it must be a '
                'detection, {"image_id": ..., "category_id": ..., "bbox": '
                '[x, y, width, height], "score": ...}'
            )
        if missing := [key for key in NEEDED if key not in row]:
            raise UserError(_missing(path, index, row, missing))
        if 'keypoints' in row:
            raise UserError(_missing(path, index, row, []))
    columns = {key: [row[key] for row in rows] for key in NEEDED}
    for key, fits, must_be in (
        ('image_id', lambda v: type(v) in ID, 'a whole number or text'),
        ('category_id', lambda v: type(v) in ID, 'a whole number or text'),
        ('bbox', _is_box, 'four numbers, [x, y, width, height]'),
        ('score', lambda v: type(v) in NUMBER, 'a number'),
    ):
        for index, value in enumerate(columns[key]):
            if not fits(value):
                raise UserError(
                    f'{path}: {key} of entry {index} is {reprlib.repr(value)}; it '
                    f'must be {must_be}'
                )
    try:
        bboxes = np.array(list(chain.from_iterable(columns['bbox'])), np.float64)
        score = np.array(columns['score'], np.float64)
    except OverflowError as error:
        raise UserError(
            f'{path}: a number of bbox or score is too large: {error}'
        ) from error
    bboxes = bboxes.reshape(-1, 4)
    finite = np.isfinite(bboxes).all(1) & np.isfinite(score)
    if rows and not finite.any():
        raise UserError(
            f'{path}: not one of {len(rows)} detections has a finite box and score: '
            'the model has diverged'
        )
    if not finite.all():
        notices.append(
            f'{path}: {(~finite).sum()} of {len(rows)} detections have a box or score '
            'that is not finite, and do not count: the model has diverged'
        )
    image_ids, image_code = _codes(columns['image_id'])
    class_ids, class_code = _codes(columns['category_id'])
    names = [row.get('file_name') for row in rows]
    file_names = None
    if names and all(type(name) is str for name in names):
        file_names = [''] * len(image_ids)
        for code, name in zip(image_code.tolist(), names, strict=True):
            file_names[code] = name
    return Results(
        path,
        image_ids,
        image_code[finite],
        class_ids,
        class_code[finite],
        bboxes[finite],
        score[finite],
        file_names,
        notices,
    )


def _is_box(value) -> bool:
    return type(value) is list and len(value) == 4 and set(map(type, value)) <= NUMBER


def _codes(values: list) -> tuple[list, np.ndarray]:
    """Values that occur, the first first, and the place among them of each."""
    places = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(codes, np.int64)


def _content(data) -> str:
    if not isinstance(data, dict):
        return f'it holds {reprlib.repr(data)}, not a list'
    if {'images', 'annotations'} <= data.keys():
        return (
            'it holds images and annotations, a ground truth: give the detections '
            'first, then the annotations'
        )
    return f'it holds an object of the keys {listed(data)}, not a list'


def _missing(path: str, index: int, row: dict, missing: list[str]) -> str:
    kinds = [what for key, what in OTHER_KINDS.items() if key in row]
    mask = row.get('segmentation')
    if not kinds and mask is not None:
        kinds = ['masks']
    if kinds:
        return (
            f'{path} holds {kinds[0]}, not boxes, which are what is explained here: '
            'give the results of boxes (of mmdet *.bbox.json, or tools/test.py --out)'
        )
    hint = ''
    if 'id' in row and 'score' in missing:
        hint = '; it looks like the annotations of a ground truth'
    return (
        f'{path}: entry {index} has no {listed(missing)}, but '
        f'{listed(row) if row else "nothing"}{hint}; a detection is {{"image_id": '
        '..., "category_id": ..., "bbox": [x, y, width, height], "score": ...}'
    )
