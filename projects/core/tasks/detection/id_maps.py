"""What the ids of images and of classes in a results file may mean.

Legend: U image ids and V category ids in the results, I images and K classes of the
ground truth. A map is an array that gives, for each id of the results, the index of an
image or class, -1 for none.
"""

import os.path as osp
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from projects.core.tasks.detection.matching import (
    GroundTruths,
    pair_ious,
)


class IdMap(NamedTuple):
    """What ids mean: the fault, what to change, and the map."""

    fault: str
    change: str
    map: np.ndarray


def _distinct(maps: list[IdMap], known: np.ndarray) -> list[IdMap]:
    """Those that differ from what is known and from each other, and mean something
    for half of the ids."""
    seen, kept = {known.tobytes()}, []
    for one in maps:
        if one.map.tobytes() not in seen and (one.map >= 0).mean() > 0.5:
            seen.add(one.map.tobytes())
            kept.append(one)
    return kept


def _lookup(ids: list, place: dict) -> np.ndarray:
    return np.array([place.get(i, -1) for i in ids], np.int64)


def _shifted(ids: list, by: int) -> list:
    return [i + by if isinstance(i, int) else i for i in ids]


def _as_number(value) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdecimal() and len(text) < 19 else None


def image_maps(
    ids: list, img_ids: list, names: list[str], file_names: list[str] | None
) -> tuple[np.ndarray, list[IdMap]]:
    """What the image ids of results may mean.

    Args:
        ids: U, of the results.
        img_ids: I, in the order of the annotation file.
        names: I names of files.
        file_names: U, where the results have them.

    Returns:
        tuple: The map of the ids as they are, and the others.
    """
    places = range(len(img_ids))
    known = _lookup(ids, {id_: i for i, id_ in enumerate(img_ids)})
    bases = [osp.basename(name.replace('\\', '/')) for name in names]
    stems = [osp.splitext(base)[0] for base in bases]
    same = 'write the id that the image has in the annotation file'
    orders = {'the file': list(places)}
    if all(isinstance(i, int) for i in img_ids):
        orders['the ids'] = sorted(places, key=lambda i: img_ids[i])
    orders['the file names'] = sorted(places, key=lambda i: names[i])
    maps = []
    if file_names is not None:
        found = [osp.basename(name.replace('\\', '/')) for name in file_names]
        maps.append(
            IdMap(
                'the image ids are others than those of the annotation file; the file '
                'names tell which images they are',
                same,
                _lookup(found, dict(zip(bases, places, strict=True))),
            )
        )
    texts = {str(id_): i for i, id_ in enumerate(img_ids)}
    maps.append(
        IdMap(
            'the image ids are text where the annotation file has numbers, or the '
            'reverse',
            same + ', of the same type',
            _lookup([str(i) for i in ids], texts),
        )
    )
    for what, keys in (
        ('file names', bases),
        ('file names without their suffix', stems),
        ('numbers in the file names', [_as_number(stem) for stem in stems]),
    ):
        place = {key: i for i, key in zip(places, keys, strict=True) if key is not None}
        maps.append(
            IdMap(f'the image ids are {what}, not ids', same, _lookup(ids, place))
        )
    for order, indices in orders.items():
        for base in (0, 1):
            place = {i + base: image for i, image in enumerate(indices)}
            maps.append(
                IdMap(
                    f'the image ids count the images from {base} in the order of '
                    f'{order}',
                    same,
                    _lookup(ids, place),
                )
            )
    for by, what in ((1, 'the one before'), (-1, 'the next one')):
        place = {id_: i for i, id_ in enumerate(img_ids)}
        maps.append(
            IdMap(
                f'images are mixed up: the ids are shifted by one (each id is '
                f"{what}'s, id {-by:+d})",
                f'add {by} to each image id, or take the id from the sample itself',
                _lookup(_shifted(ids, by), place),
            )
        )
        for order, indices in orders.items():
            place = {
                img_ids[i]: indices[(n + by) % len(indices)]
                for n, i in enumerate(indices)
            }
            maps.append(
                IdMap(
                    f'images are mixed up: each has the id of {what} in the order of '
                    f'{order}',
                    'take the id from the sample itself, not from a count',
                    _lookup(ids, place),
                )
            )
    for first, there in orders.items():
        for second, here in orders.items():
            if first != second:
                place = {img_ids[i]: j for i, j in zip(there, here, strict=True)}
                maps.append(
                    IdMap(
                        'images are mixed up: the detections go through the images in '
                        f'the order of {second}, the ids in that of {first}',
                        'take the id from the sample itself, not from a list in '
                        'another order',
                        _lookup(ids, place),
                    )
                )
    return known, _distinct(maps, known)


def assigned_images(
    truths: GroundTruths,
    sizes: np.ndarray,
    boxes: np.ndarray,
    code: np.ndarray,
    num: int,
) -> np.ndarray | None:
    """The map of image ids that fits best, one image each; each is compared with each.

    Args:
        truths: Ground truths.
        sizes: (I, 2), what the boxes of an image are divided by to be in the frame of
            ``boxes``.
        boxes: (D, 4) of the detections.
        code: (D, ), image id of each in [0, num).
        num: U.

    Returns:
        The map; None if another one fits nearly as well, so that it is chance.
    """
    fit = np.zeros((num, len(sizes)))
    for i in np.unique(truths.image[~truths.crowd]):
        gts = truths[(truths.image == i) & ~truths.crowd].bboxes / np.tile(sizes[i], 2)
        det, gt = np.indices((len(boxes), len(gts))).reshape(2, -1)
        iou = pair_ious(boxes[det], gts[gt], np.zeros(len(det), bool))
        best = np.zeros((num, len(gts)))
        np.maximum.at(best, code, iou.reshape(len(boxes), len(gts)))
        fit[:, i] = np.clip(best - 0.4, 0, None).sum(1)
    rows, columns = linear_sum_assignment(-fit)
    first = fit[rows, columns].sum()
    again = fit.copy()
    again[rows, columns] = 0
    second = again[linear_sum_assignment(-again)].sum()
    if not first or second > 0.6 * first:
        return None
    found = np.full(num, -1)
    met = fit[rows, columns] > 0
    found[rows[met]] = columns[met]
    return found


def class_maps(
    ids: list, cat_ids: list, names: list[str]
) -> tuple[np.ndarray, list[IdMap]]:
    """What the category ids of results may mean, see :func:`image_maps`.

    Args:
        ids: V, of the results.
        cat_ids: K, in the order of the annotation file.
        names: K names of classes.
    """
    place = {id_: i for i, id_ in enumerate(cat_ids)}
    known = _lookup(ids, place)
    change = 'write the id that the category has in the annotation file'
    labels = range(len(cat_ids))
    maps = []
    for base in (0, 1):
        maps.append(
            IdMap(
                f'the category ids are labels, counted from {base} in the order of '
                'the categories',
                f'{change} (cat_ids[label{" - 1" * base}])',
                _lookup(ids, {i + base: i for i in labels}),
            )
        )
        if all(isinstance(i, int) for i in cat_ids):
            by_id = {i + base: place[id_] for i, id_ in enumerate(sorted(cat_ids))}
            maps.append(
                IdMap(
                    f'the category ids are labels, counted from {base} in the order '
                    'of the ids',
                    change,
                    _lookup(ids, by_id),
                )
            )
    for by in (1, -1):
        maps.append(
            IdMap(
                f'the category ids are shifted by one ({-by:+d})',
                f'add {by} to each category id',
                _lookup(_shifted(ids, by), place),
            )
        )
    of_name = {name: i for i, name in enumerate(names)}
    maps.append(
        IdMap('the category ids are names of classes', change, _lookup(ids, of_name))
    )
    texts = {str(id_): i for i, id_ in enumerate(cat_ids)}
    maps.append(
        IdMap(
            'the category ids are text where the annotation file has numbers, or the '
            'reverse',
            change,
            _lookup([str(i) for i in ids], texts),
        )
    )
    return known, _distinct(maps, known)
