"""Checks of a COCO file against a config: classes, boxes, images, masks.

What mmdet does with a flaw is stated as its CocoDataset does it: it drops
boxes that lie outside the image, are narrower or lower than a pixel or have
an ``area`` of 0, and annotations of categories that are not among the classes.
It numbers the labels by the order of the categories in the file.
"""

import os.path as osp
import reprlib
from collections import Counter
from collections.abc import Callable
from itertools import chain

import numpy as np

from projects.core.datasets.files import files_in, twice, what_is_there
from projects.core.errors import UserError, listed
from projects.core.tasks.detection.box_checks import (
    box_notices,
    check_filter,
    flaws_of,
    look_normalised,
)
from projects.core.tasks.detection.coco_schema import (
    NUMBER,
    CocoFile,
    FlawedRowsError,
    read_coco,
)


def check_coco(
    path: str,
    classes: list[str],
    split: str,
    metainfo: dict,
    filter_cfg: dict | None = None,
    masks: bool = False,
    read: Callable[[str, str, bool], CocoFile] = read_coco,
) -> tuple[list[str], list[str], list[str]]:
    """Check an annotation file.

    Args:
        classes: Those of the config.
        split: 'train', 'val' or 'test'.
        metainfo: Of the dataset in the config.
        filter_cfg: The dataset's, which counts in a training alone.
        masks: Whether masks are read, too.
        read: Function that reads the file, as :func:`read_coco`.

    Returns:
        tuple: Notices; the classes in the file in the order of their labels;
        the images' file names.

    Raises:
        UserError: At the first flaw with which a run is impossible or wrong.
    """
    file = read(path, split, masks)
    images, annotations, categories = file.images, file.annotations, file.categories
    _check_unique(file)
    if not images['id']:
        purpose = 'train on' if split == 'train' else 'evaluate'
        raise UserError(f"{path}: 'images' is empty, there is nothing to {purpose}")
    notices = [*file.notices]
    if 0 in annotations['id']:
        notices.append(
            f'{path}: an annotation has the id 0, which '
            'pycocotools takes for unmatched, so that finding it '
            'lowers the mAP; number the annotations from 1'
        )
    repeated = twice(images['file_name'])
    if repeated:
        notices.append(
            f'{path}: {len(repeated)} files are named by more than one image '
            f'({listed(repeated, 3)}): each is trained on or counted as often; merge '
            'these images'
        )
    names = categories['name']
    chosen = set(classes)
    known = [name for name in names if name in chosen]
    name_of = dict(zip(categories['id'], names, strict=True))
    _check_category_ids(file)
    counts = Counter()
    for id_, count in Counter(annotations['category_id']).items():
        counts[name_of.get(id_, f'id {id_} without category')] += count
    notices += check_classes(path, metainfo, classes, names, known, counts)

    row_of = {id_: row for row, id_ in enumerate(images['id'])}
    image_ids = annotations['image_id']
    lost = [i for i, id_ in enumerate(image_ids) if id_ not in row_of]
    if lost:
        raise FlawedRowsError(
            f'{path}: {len(lost)} of {len(image_ids)} annotations refer to '
            "image ids that are not in 'images', e.g. annotation "
            f'{annotations["id"][lost[0]]} to image '
            f'{reprlib.repr(image_ids[lost[0]])}; the ids must be the same, in type '
            'too',
            path,
            'annotations',
            lost,
        )
    known_ids = {id_ for id_, name in name_of.items() if name in chosen}
    used = np.array([id_ in known_ids for id_ in annotations['category_id']], bool)
    image_of = np.array([row_of[id_] for id_ in image_ids], int)
    sizes = np.stack([images['width'], images['height']], 1)
    if used.any():
        if masks:
            _check_masks(file, np.flatnonzero(used))
        notices += _check_boxes(file, used, sizes[image_of], split)
    elif split != 'test':
        if split == 'train':
            raise UserError(
                f"{path}: 'annotations' is empty, there is nothing to train on"
            )
        notices.append(f"{path}: 'annotations' is empty, mAP will be -1")
    if split == 'train' and filter_cfg:
        has_boxes = np.isin(np.arange(len(sizes)), image_of[used])
        notices += check_filter(path, sizes, has_boxes, filter_cfg)
    return notices, known, images['file_name']


def _check_unique(file: CocoFile) -> None:
    for key, what in (('name', 'names'), ('id', 'ids')):
        repeated = twice(file.categories[key])
        if repeated:
            raise FlawedRowsError(
                f'{file.path}: two categories share one of the {what} '
                f'{listed(repeated)}; make them unique',
                file.path,
                'categories',
                _later(file.categories[key]),
            )
    repeated = twice(file.images['id'])
    if repeated:
        raise FlawedRowsError(
            f'{file.path}: {len(repeated)} image ids are used more than once '
            f'({listed(repeated)}), of which only the last image would be read; make '
            'them unique',
            file.path,
            'images',
            _later(file.images['id']),
        )
    repeated = twice(file.annotations['id'])
    if repeated:
        raise FlawedRowsError(
            f'{file.path}: {len(repeated)} annotation ids are used more '
            f'than once ({listed(repeated)}), which mmdet refuses; '
            'number the annotations 1, 2, ...',
            file.path,
            'annotations',
            _later(file.annotations['id']),
        )


def _later(values: list) -> list[int]:
    """Places of values that stood there before."""
    first = {}
    return [i for i, value in enumerate(values) if first.setdefault(value, i) != i]


def _check_category_ids(file: CocoFile) -> None:
    """Refuse ids that can meet no category because of their type."""
    ids = file.categories['id']
    types = set(map(type, ids))
    if not ids or set(map(type, file.annotations['category_id'])) <= types:
        return
    id_of = file.annotations['category_id']
    odd = [i for i, id_ in enumerate(id_of) if type(id_) not in types]
    id_ = id_of[odd[0]]
    words = {int: 'a number', str: 'text'}
    raise FlawedRowsError(
        f'{file.path}: category_id of annotation {file.annotations["id"][odd[0]]} is '
        f'{reprlib.repr(id_)}, {words[type(id_)]}, but the ids of the categories are '
        f'{listed(map(reprlib.repr, ids))}; write both alike',
        file.path,
        'annotations',
        odd,
    )


def check_classes(
    path: str,
    metainfo: dict,
    classes: list[str],
    names: list[str],
    known: list[str],
    counts: Counter,
) -> list[str]:
    """Notices on how the categories of a file fit the config's classes.

    Args:
        metainfo: Of the dataset in the config.
        names: Categories in the order of the file.
        known: Those of them that are among the classes.
        counts: Number of annotations by name of category.

    Raises:
        UserError: If no annotation is of one of the classes.
    """
    total, chosen = sum(counts.values()), set(known)
    matched = sum(counts[name] for name in known)
    if not known or (total and not matched):
        hint = " (its key is 'classes', in lower case)" if 'CLASSES' in metainfo else ''
        raise UserError(
            f'{matched} of {total} annotations of {path} match the classes of '
            f'the config: the file has {listed(names)}, the config has '
            f'{listed(classes)}. Set metainfo=dict(classes=...) of the '
            f"dataset{hint} to the file's categories, and num_classes of the "
            'head to their number'
        )
    notices = []
    if matched < total:
        left_out = listed(
            f'{name} ({count})'
            for name, count in counts.most_common()
            if name not in chosen
        )
        notices.append(
            f'{path}: {matched} of {total} annotations match the '
            f'classes of the config; left out: {left_out}'
        )
    absent = [name for name in classes if name not in chosen]
    if absent:
        notices.append(
            f'{path}: {len(absent)} of the {len(classes)} classes '
            'of the config are no category of the file: ' + listed(absent)
        )
    if known != classes[: len(known)]:
        i = next(i for i, name in enumerate(known) if name != classes[i])
        notices.append(
            f"{path}: label {i} is '{known[i]}' by the order of the "
            f"categories, but '{classes[i]}' by that of the classes in the "
            'config, so that results will wear the wrong names; list both in '
            'the same order'
        )
    return notices


def _check_boxes(
    file: CocoFile, used: np.ndarray, sizes: np.ndarray, split: str
) -> list[str]:
    """Notices on the boxes of our classes; ``sizes``: (W, H) of their images."""
    rows = np.flatnonzero(used)
    ids = [file.annotations['id'][i] for i in rows]
    boxes = file.annotations['bbox'][rows]
    flaws = flaws_of(boxes, file.annotations['area'][rows], sizes[rows])
    tiny, no_area, outside = flaws['tiny'], flaws['no_area'], flaws['outside']
    sound = ~(tiny | no_area | outside | flaws['infinite'])
    if split == 'train' and not sound.any():
        hint = (
            '; they look normalised to [0, 1], but must be in pixels'
            if not flaws['infinite'].any() and look_normalised(boxes)
            else "; set their 'area' to width * height"
            if no_area.all()
            else ''
        )
        raise UserError(
            f'{file.path}: none of the {len(ids)} boxes can be trained on: '
            f'{tiny.sum()} are narrower or lower than a pixel, '
            f"{no_area.sum()} have an 'area' of 0, {outside.sum()} lie "
            f'outside the image, {flaws["infinite"].sum()} are not finite{hint}'
        )
    fate = (
        'dropped'
        if split == 'train'
        else 'they count in the evaluation, and hardly anything can match them'
    )
    notices = box_notices(
        file.path,
        ids,
        [
            (tiny, 'have no area (narrower or lower than a pixel)', fate),
            (
                no_area,
                "have an 'area' field of 0 or less, but a width and height",
                'dropped'
                if split == 'train'
                else 'the evaluation by size of object takes the field',
            ),
            (outside, 'lie wholly outside the image', fate),
            (
                flaws['over'],
                'reach over the border of the image',
                "clipped by mmdet's Resize"
                if split == 'train'
                else 'the evaluation takes them as they are',
            ),
            (
                flaws['infinite'],
                'hold values that are not finite',
                'fix the file, they spoil losses and mAP',
            ),
        ],
        'annotations',
    )
    crowd, ignored = (file.annotations[k][rows] > 0 for k in ('iscrowd', 'ignore'))
    if not (sound & ~crowd & ~ignored).any() and (crowd | ignored).any():
        flaw = (
            f'{file.path}: {crowd.sum()} of {len(ids)} boxes are crowds (iscrowd=1), '
            f'{(ignored & ~crowd).sum()} are to be ignored'
        )
        if split == 'train':
            raise UserError(f'{flaw}: no box is left to train on')
        if crowd.all():
            notices.append(f'{flaw}: mAP will be -1')
    return notices


def _check_masks(file: CocoFile, rows: np.ndarray) -> None:
    """Each box of our classes has a mask that mmdet and pycocotools can read."""
    for i in rows:
        mask = file.annotations['segmentation'][i]
        if not (is_polygons(mask) or is_rle(mask)):
            raise UserError(
                f'{file.path}: segmentation of annotation '
                f'{file.annotations["id"][i]} is {reprlib.repr(mask)}, but the config '
                'reads masks (with_mask, segm): it must be a list of polygons, '
                '[[x1, y1, x2, y2, x3, y3, ...], ...], or a mask, '
                '{"counts": ..., "size": [height, width]}'
            )


def is_polygons(mask) -> bool:
    return (
        type(mask) is list
        and bool(mask)
        and all(type(p) is list and len(p) >= 6 and len(p) % 2 == 0 for p in mask)
        and set(map(type, chain.from_iterable(mask))) <= NUMBER
    )


def is_rle(mask) -> bool:
    if type(mask) is not dict or type(mask.get('size')) is not list:
        return False
    counts, size = mask.get('counts'), mask['size']
    return (
        len(size) == 2
        and set(map(type, size)) == {int}
        and (
            type(counts) is str
            or (type(counts) is list and set(map(type, counts)) <= {int})
        )
    )


def check_image_files(
    path: str, names: list[str], prefix: str, folders: dict[str, set[str]]
) -> None:
    """Refuse a file whose images are not below ``prefix``.

    Args:
        names: File names, relative to ``prefix``.
        folders: Listings so far.
    """
    rows = []
    for i, name in enumerate(names):
        folder, base = osp.split(osp.join(prefix, name))
        if base not in files_in(folder, folders):
            rows.append(i)
    if not rows:
        return
    missing = [names[i] for i in rows]
    first = osp.join(prefix, missing[0])
    raise FlawedRowsError(
        f'{len(missing)} of {len(names)} images of {path} are missing in '
        f'{osp.abspath(prefix)}, e.g. {missing[0]}: '
        f'{what_is_there(osp.dirname(first), osp.basename(first))}. '
        + (
            "Write file names with '/' in place of '\\'"
            if '\\' in missing[0]
            else 'Set data_root and data_prefix=dict(img=...) of the dataset, or '
            'restore the files'
        ),
        path,
        'images',
        rows,
    )
