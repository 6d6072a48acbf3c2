"""Checks of detection data that run before a training or a test begins.

What mmdet does with a flaw is stated as its CocoDataset does it: it drops
boxes that lie outside the image, are narrower or lower than a pixel or have
an ``area`` of 0, and annotations of categories that are not among the classes.
It numbers the labels by the order of the categories in the file.

Legend: N annotations; boxes are (N, 4) xywh in pixels of the image file.
"""

import json
import os.path as osp
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

from projects.core.datasets.files import (
    SPLITS,
    class_list,
    dataset_class,
    files_in,
    inner_datasets,
    is_remote,
    what_is_there,
)
from projects.core.errors import UserError, listed

MAKES_ITS_DATA = 'DigitsCocoDataset'
# known by name, so that a config that states its classes needs no import
KINDS = {'CocoDataset': 'coco', 'VOCDataset': 'voc', 'XMLDataset': 'voc'}
IMAGE_KEYS = {'id', 'file_name', 'width', 'height'}
ANNOTATION_KEYS = {'id', 'image_id', 'category_id', 'bbox', 'area'}
BORDER_TOLERANCE = 0.01  # pixels; annotation tools round


def check_detection_data(cfg) -> list[str]:
    """Check the data of a config as far as it is in COCO or VOC format.

    Reads each annotation file and lists each image folder once; opens no
    image. Other datasets, and files that are not on a local disk, are skipped.

    Args:
        cfg: MMEngine Config of a run, of which ``train_dataloader``,
            ``val_dataloader`` and ``test_dataloader`` are checked as far as
            they are there, with their evaluators.

    Returns:
        list: Notices of flaws with which a run is possible.

    Raises:
        UserError: At the first flaw with which it is not, or not correct.
    """
    notices, seen = [], set()
    label_of: dict[str, tuple[int, str]] = {}  # class: label, file
    folders: dict[str, set[str]] = {}
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader')
        if not isinstance(loader, dict):
            continue
        ann_files = []
        for dataset in inner_datasets(loader.get('dataset')):
            kind, classes = _kind_and_classes(dataset, cfg, split)
            if kind is None:
                continue
            _check_num_classes(cfg, classes, split)
            paths = _paths(dataset)
            if kind == 'made' or is_remote(dataset, paths):
                continue
            if kind == 'coco':
                ann_files.append(paths['ann_file'])
            key = (split == 'train', *paths.values(), *classes)
            if key in seen:  # test data are often the validation data
                continue
            seen.add(key)
            if kind == 'voc':
                _check_voc(dataset, paths, split, folders)
                continue
            found, names = _check_coco(dataset, paths, classes, split, folders)
            notices += found
            _check_labels(names, paths['ann_file'], label_of)
        notices += _check_evaluators(cfg, split, ann_files)
    return notices


def _kind_and_classes(dataset: dict, cfg, split: str) -> tuple[str | None, list[str]]:
    """'coco', 'voc', 'made' or None; and the classes in the config's order."""
    type_ = dataset.get('type')
    name = type_ if isinstance(type_, str) else getattr(type_, '__name__', '')
    kind = KINDS.get(name.rpartition('.')[2])
    classes = (dataset.get('metainfo') or {}).get('classes')
    if kind is None or classes is None:
        class_ = dataset_class(type_, cfg.get('default_scope'))
        kind = kind or _kind(class_)
        if classes is None:
            meta = getattr(class_, 'METAINFO', None) or {}
            classes = meta.get('classes')
    if kind is None or not classes:
        return None, []
    return kind, class_list(classes, split)


def _kind(class_: type | None) -> str | None:
    """Kind of a class that is not known by name, from its ancestors."""
    mro = {base.__name__ for base in getattr(class_, '__mro__', ())}
    if MAKES_ITS_DATA in mro:
        return 'made'
    if 'XMLDataset' in mro:
        return 'voc'
    # LVIS and panoptic data read other fields, by methods of their own
    if 'CocoDataset' in mro and all(
        getattr(class_, name).__qualname__ == f'CocoDataset.{name}'
        for name in ('load_data_list', 'parse_data_info')
    ):
        return 'coco'
    return None


def _paths(dataset: dict) -> dict[str, str]:
    """``ann_file`` and prefixes joined with data_root, as MMEngine does."""
    root = dataset.get('data_root') or ''
    paths = dict(
        dataset.get('data_prefix') or {}, ann_file=dataset.get('ann_file') or ''
    )
    return {key: osp.join(root, path) for key, path in paths.items()}


def _check_num_classes(cfg, classes: list[str], split: str) -> None:
    head = (cfg.get('model') or {}).get('bbox_head')
    num_classes = head.get('num_classes') if isinstance(head, dict) else None
    if num_classes is not None and num_classes != len(classes):
        raise UserError(
            f'model.bbox_head.num_classes is {num_classes}, but the data of '
            f'{split}_dataloader have {len(classes)} classes '
            f'({listed(classes)}): set num_classes={len(classes)}, or '
            'metainfo=dict(classes=...) of the dataset'
        )


def _check_labels(
    names: list[str], path: str, label_of: dict[str, tuple[int, str]]
) -> None:
    """Refuse files that number the same class differently."""
    for label, name in enumerate(names):
        other, other_path = label_of.setdefault(name, (label, path))
        if other != label:
            raise UserError(
                f"class '{name}' has label {other} in {other_path}, but "
                f'{label} in {path}: labels follow the order of the '
                "'categories' in a file. List the same categories in the same "
                'order in both'
            )


def _check_evaluators(cfg, split: str, ann_files: list[str]) -> list[str]:
    """Is the annotation file of a COCO metric there, and the dataset's?"""
    evaluators = cfg.get(f'{split}_evaluator') or []
    if isinstance(evaluators, dict):
        evaluators = [evaluators]
    notices = []
    for evaluator in evaluators:
        path = evaluator.get('ann_file')
        if (
            not path
            or '://' in path
            or not ann_files
            or not str(evaluator.get('type')).endswith('CocoMetric')
        ):
            continue
        if not osp.isfile(path):
            raise UserError(
                f'{split}_evaluator: ' + _no_file(path, f'ann_file={path!r}')
            )
        if osp.abspath(path) not in map(osp.abspath, ann_files):
            notices.append(
                f'{split}_evaluator evaluates by {path}, but {split}_dataloader '
                f'reads {ann_files[0]}: set the same ann_file'
            )
    return notices


def _check_coco(
    dataset: dict,
    paths: dict[str, str],
    classes: list[str],
    split: str,
    folders: dict[str, set[str]],
) -> tuple[list[str], list[str]]:
    """Notices, and the classes in the file in the order of their labels."""
    path = paths['ann_file']
    data = _load_coco(path, dataset, split)
    images, annotations = data['images'], data.get('annotations', [])
    names = [category['name'] for category in data['categories']]
    ids = [category['id'] for category in data['categories']]
    for values, what in ((names, 'names'), (ids, 'ids')):
        twice = _twice(values)
        if twice:
            raise UserError(
                f'{path}: two categories share one of the {what} '
                f'{listed(twice)}; make them unique'
            )
    twice = _twice(ann['id'] for ann in annotations)
    if twice:
        raise UserError(
            f'{path}: {len(twice)} annotation ids are used more '
            f'than once ({listed(twice)}), which mmdet refuses; '
            'number the annotations 1, 2, ...'
        )

    notices = []
    if any(ann['id'] == 0 for ann in annotations):
        notices.append(
            f'{path}: an annotation has the id 0, which '
            'pycocotools takes for unmatched, so that finding it '
            'lowers the mAP; number the annotations from 1'
        )
    known = [name for name in names if name in classes]
    name_of = dict(zip(ids, names, strict=True))
    notices += _check_classes(
        path,
        dataset,
        classes,
        names,
        known,
        Counter(
            name_of.get(ann['category_id'], f'id {ann["category_id"]} without category')
            for ann in annotations
        ),
    )
    size_of = {image['id']: (image['width'], image['height']) for image in images}
    lost = [ann for ann in annotations if ann['image_id'] not in size_of]
    if lost:
        raise UserError(
            f'{path}: {len(lost)} of {len(annotations)} annotations refer to '
            "image ids that are not in 'images', e.g. annotation "
            f'{lost[0]["id"]} to image {lost[0]["image_id"]!r}; the ids must '
            'be the same, in type too'
        )
    known_ids = {id_ for id_, name in name_of.items() if name in known}
    used = [ann for ann in annotations if ann['category_id'] in known_ids]
    if used:
        notices += _check_boxes(path, used, size_of, split)
    elif split != 'test':
        if split == 'train':
            raise UserError(
                f"{path}: 'annotations' is empty, there is nothing to train on"
            )
        notices.append(f"{path}: 'annotations' is empty, mAP will be -1")
    if 'img' not in paths:
        raise UserError(
            f'{split}_dataloader: the dataset has no data_prefix='
            'dict(img=...), the folder of the images'
        )
    _check_images(path, [image['file_name'] for image in images], paths['img'], folders)
    return notices, known


def _load_coco(path: str, dataset: dict, split: str) -> dict:
    """The file's content, with the fields that mmdet's CocoDataset reads."""
    if not osp.isfile(path):
        raise UserError(f'{split}_dataloader: ' + _no_file(path, _settings(dataset)))
    try:
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
    except json.JSONDecodeError as error:
        raise UserError(
            f'{path} is not valid JSON: line {error.lineno}, column '
            f'{error.colno}: {error.msg}. It may be cut short or edited by '
            'hand; make or copy it again'
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f'{path} is not a text file in UTF-8: {error.reason} at byte {error.start}'
        ) from error
    keys = {'images', 'annotations', 'categories'}
    if split == 'test':  # published test sets keep theirs to themselves
        keys.discard('annotations')
    found = data if isinstance(data, dict) else {}
    missing = sorted(key for key in keys if not isinstance(found.get(key), list))
    if missing:
        content = (
            f'its keys are {listed(found)}'
            if found
            else f'it holds a {type(data).__name__}'
        )
        raise UserError(
            f'{path} is not an annotation file in COCO format: '
            f'{listed(missing)} missing, {content}. It must hold lists of '
            'images, annotations and categories'
        )
    for key, required in (
        ('images', IMAGE_KEYS),
        ('annotations', ANNOTATION_KEYS),
        ('categories', {'id', 'name'}),
    ):
        for index, item in enumerate(data.get(key, [])):
            if not required <= item.keys():
                fields = listed(sorted(required - item.keys()))
                raise UserError(
                    f'{path}: {key}[{index}] (id {item.get("id")}) has no '
                    f'{fields}, which mmdet needs'
                    + ('; for boxes, area = width * height' if fields == 'area' else '')
                )
    return data


def _check_classes(
    path: str,
    dataset: dict,
    classes: list[str],
    names: list[str],
    known: list[str],
    counts: Counter,
) -> list[str]:
    """Notices on how the categories of a file fit the config's classes.

    Args:
        names: Categories in the order of the file.
        known: Those of them that are among the classes.
        counts: Number of annotations by name of category.
    """
    total = sum(counts.values())
    matched = sum(counts[name] for name in known)
    if not known or (total and not matched):
        metainfo = dataset.get('metainfo') or {}
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
            if name not in known
        )
        notices.append(
            f'{path}: {matched} of {total} annotations match the '
            f'classes of the config; left out: {left_out}'
        )
    absent = [name for name in classes if name not in known]
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
    path: str,
    annotations: list[dict],
    size_of: dict[object, tuple[int, int]],
    split: str,
) -> list[str]:
    """Notices on boxes; ``size_of``: (W, H) in pixels by image id."""
    ids = [ann['id'] for ann in annotations]
    for ann in annotations:
        box = ann['bbox']
        if not (
            isinstance(box, list)
            and len(box) == 4
            and all(isinstance(value, (int, float)) for value in box)
        ):
            raise UserError(
                f'{path}: bbox of annotation {ann["id"]} is '
                f'{box!r}; it must be four numbers, [x, y, '
                'width, height] in pixels'
            )
    boxes = np.array([ann['bbox'] for ann in annotations], np.float64)
    areas = np.array([ann['area'] for ann in annotations], np.float64)
    sizes = np.array([size_of[ann['image_id']] for ann in annotations], np.float64)
    finite = np.isfinite(boxes).all(1) & np.isfinite(areas)
    x1, y1, w, h = np.where(finite[:, None], boxes, 0).T
    x2, y2, (width, height) = x1 + w, y1 + h, sizes.T
    tiny = finite & ((w < 1) | (h < 1))
    no_area = finite & ~tiny & (areas <= 0)
    sound = finite & ~tiny & ~no_area
    outside = sound & (
        (np.minimum(x2, width) <= np.maximum(x1, 0))
        | (np.minimum(y2, height) <= np.maximum(y1, 0))
    )
    over = (
        sound
        & ~outside
        & (
            (np.minimum(x1, y1) < -BORDER_TOLERANCE)
            | (np.maximum(x2 - width, y2 - height) > BORDER_TOLERANCE)
        )
    )
    if split == 'train' and not (sound & ~outside).any():
        hint = (
            '; they look normalised to [0, 1], but must be in pixels'
            if finite.all() and x2.max() <= 1 and y2.max() <= 1
            else "; set their 'area' to width * height"
            if no_area.all()
            else ''
        )
        raise UserError(
            f'{path}: none of the {len(ids)} boxes can be trained on: '
            f'{tiny.sum()} are narrower or lower than a pixel, '
            f"{no_area.sum()} have an 'area' of 0, {outside.sum()} lie "
            f'outside the image, {(~finite).sum()} are not finite{hint}'
        )
    fate = (
        'dropped'
        if split == 'train'
        else 'they count in the evaluation, and hardly anything can match them'
    )
    notices = []
    for mask, flaw, consequence in (
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
            over,
            'reach over the border of the image',
            "clipped by mmdet's Resize"
            if split == 'train'
            else 'the evaluation takes them as they are',
        ),
        (
            ~finite,
            'hold values that are not finite',
            'fix the file, they spoil losses and mAP',
        ),
    ):
        if mask.any():
            some = listed((ids[i] for i in np.flatnonzero(mask)[:4]), 3)
            notices.append(
                f'{path}: {mask.sum()} of {len(ids)} boxes {flaw} '
                f'(annotations {some}): {consequence}'
            )
    return notices


def _check_images(
    path: str, file_names: list[str], prefix: str, folders: dict[str, set[str]]
) -> None:
    by_folder = defaultdict(list)
    for name in file_names:
        folder, _, base = name.rpartition('/')
        by_folder[folder].append(base)
    missing = [
        osp.join(folder, base)
        for folder, bases in by_folder.items()
        for base in bases
        if base not in files_in(osp.join(prefix, folder), folders)
    ]
    if not missing:
        return
    folder = osp.dirname(osp.join(prefix, missing[0]))
    raise UserError(
        f'{len(missing)} of {len(file_names)} images of {path} are missing in '
        f'{osp.abspath(prefix)}, e.g. {missing[0]}: '
        f'{what_is_there(folder, osp.basename(missing[0]))}. Set '
        'data_root and data_prefix=dict(img=...) of the dataset, or restore '
        'the files'
    )


def _check_voc(
    dataset: dict, paths: dict[str, str], split: str, folders: dict[str, set[str]]
) -> None:
    """data_root, the list of images, and an XML and a JPEG of each."""
    path = paths['ann_file']
    root = dataset.get('data_root')
    if root and not osp.isdir(root):
        raise UserError(
            f'{split}_dataloader: there is no folder {osp.abspath(root)} '
            f"({_settings(dataset)}); it should hold VOC's folders, such as "
            'VOC2007 of VOCdevkit'
        )
    if not osp.isfile(path):
        raise UserError(
            f'{split}_dataloader: '
            + _no_file(path, _settings(dataset))
            + '. It is a list of image names, such as '
            'VOC2007/ImageSets/Main/trainval.txt'
        )
    with open(path, encoding='utf-8') as file:
        names = file.read().splitlines()
    if not names:
        raise UserError(f'{path} is empty; it must name one image per line')
    prefix = paths.get('sub_data_root', '')
    # mmdet joins images and XMLs to sub_data_root, and data_root only to that
    for folder, suffix, what in (
        (dataset.get('ann_subdir', 'Annotations'), '.xml', 'XML files'),
        (dataset.get('img_subdir', 'JPEGImages'), '.jpg', 'images'),
    ):
        folder = osp.join(prefix, folder)
        missing = [
            name for name in names if name + suffix not in files_in(folder, folders)
        ]
        if missing:
            first = missing[0] + suffix
            raise UserError(
                f'{len(missing)} of {len(names)} {what} of {path} are missing '
                f'in {osp.abspath(folder)}, e.g. {first}: '
                f'{what_is_there(folder, first)}. Set data_root and '
                'data_prefix=dict(sub_data_root=...) of the dataset, or '
                'restore the files'
            )


def _settings(dataset: dict) -> str:
    return (
        f'data_root={dataset.get("data_root")!r}, ann_file={dataset.get("ann_file")!r}'
    )


def _no_file(path: str, settings: str) -> str:
    path = osp.abspath(path)
    return f'there is no annotation file {path} ({settings}); ' + what_is_there(
        osp.dirname(path), osp.basename(path)
    )


def _twice(values: Iterable) -> list:
    return [value for value, count in Counter(values).items() if count > 1]
