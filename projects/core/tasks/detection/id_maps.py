"""What the ids of images and of classes in a results file may mean.

Legend: U image ids and V category ids in the results, I images and K classes of the
ground truth. A map is an array that gives, for each id of the results, the index of an
image or class, -1 for none.
"""

import os.path as osp
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from projects.core.errors import listed
from projects.core.tasks.detection.map_case import Case
from projects.core.tasks.detection.matching import Detections, Matching, pair_ious

LEAST_LIFT = 0.3  # of a class that is taken for another


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


def assigned_images(case: Case, dets: Detections, code: np.ndarray, num: int):
    """The map of U image ids that fits best, one image each.

    Args:
        case: Of few images: each is compared with each.
        dets: Boxes in the frame of the image file, as far as known.
        code: (D, ), image id of each in [0, U).
        num: U.

    Returns:
        The map; None if another one fits nearly as well, so that it is chance.
    """
    num_images = len(case.sizes)
    fit = np.zeros((num, num_images))
    for i in case.images_with_objects():
        gts = case.truths[(case.truths.image == i) & ~case.truths.crowd].bboxes
        det, gt = np.indices((len(dets), len(gts))).reshape(2, -1)
        iou = pair_ious(dets.bboxes[det], gts[gt], np.zeros(len(det), bool))
        best = np.zeros((num, len(gts)))
        np.maximum.at(best, code, iou.reshape(len(dets), len(gts)))
        fit[:, i] = np.clip(best - 0.4, 0, None).sum(1)
    rows, columns = linear_sum_assignment(-fit)
    first = fit[rows, columns].sum()
    again = fit.copy()
    again[rows, columns] = 0
    second = again[linear_sum_assignment(-again)].sum()
    if not first or second > 0.6 * first:
        return None
    found = np.full(num, -1)
    found[rows] = columns
    return found


def class_maps(ids: list, cat_ids: list) -> tuple[np.ndarray, list[IdMap]]:
    """What the category ids of results may mean, see :func:`image_maps`."""
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


@dataclass
class Confusion:
    """Ground truths by their class and the category id of what finds them.

    Args:
        counts: (V, K), of detections that find a ground truth regardless of class.
    """

    counts: np.ndarray

    @classmethod
    def of(cls, case: Case, dets: Detections, code: np.ndarray, num: int):
        """From detections whose category ids are ``code``, (D, ) in [0, V)."""
        known = dets.image >= 0
        # as labels, that each id has its own 100 detections of an image
        coded = Detections(dets.image, code, dets.bboxes, dets.score)[known]
        matching = Matching(coded, case.truths)
        match = matching.match(by_class=False)
        counts = np.zeros((num, case.num_classes), np.int64)
        found = match.hit
        np.add.at(
            counts,
            (
                matching.detections.label[found],
                case.truths.label[match.gt[found]],
            ),
            1,
        )
        return cls(counts)

    def lift(self) -> np.ndarray:
        """(V, K): by how much the id is more frequent on objects of the class than on
        those of others; 0 for what has nothing to do with each other."""
        of_class = self.counts.sum(0)  # (K, )
        share = self.counts / np.maximum(of_class, 1)
        others = self.counts.sum(1, keepdims=True) - self.counts
        other_share = others / np.maximum(of_class.sum() - of_class, 1)
        return share - other_share

    def agreement(self, map_: np.ndarray) -> float:
        """Share of what is found whose class is the map's."""
        rows = np.flatnonzero(map_ >= 0)
        return self.counts[rows, map_[rows]].sum() / max(self.counts.sum(), 1)

    def assignment(self, known: np.ndarray) -> np.ndarray:
        """The map that agrees best, one class each, as far as there is evidence.

        Args:
            known: The map of the ids as they are, kept without evidence.
        """
        lift = self.lift()
        # what is known wins where both are equal
        value = self.counts.astype(float)
        rows = np.flatnonzero(known >= 0)
        value[rows, known[rows]] += 1e-3
        codes, labels = linear_sum_assignment(-value)
        map_ = known.copy()
        for code, label in zip(codes, labels, strict=True):
            before = lift[code, known[code]] if known[code] >= 0 else 0.0
            if (
                self.counts[code, label] >= 2
                and lift[code, label] >= LEAST_LIFT
                and lift[code, label] > before
            ):
                map_[code] = label
        return map_

    def choose(
        self, ids: list, names: list[str], known: np.ndarray, maps: list[IdMap]
    ) -> IdMap | None:
        """The simplest map that explains the counts; None for the ids as they are.

        Args:
            ids: V, of the results.
            names: K names of classes.
            known: The map of the ids as they are.
            maps: Others that have a name.
        """
        best = self.assignment(known)
        changed = np.flatnonzero(best != known)
        if not len(changed):
            return None
        for one in maps:  # those with evidence must agree, others may change, too
            if (one.map[changed] == best[changed]).mean() > 0.8 and (
                self.agreement(one.map) >= self.agreement(best) - 0.02
            ):
                return one
        pairs = listed(
            f'{ids[code]!r} is {names[best[code]]}' for code in changed.tolist()
        )
        return IdMap(
            f'the classes are permuted: category id {pairs}',
            'give each label the id of its category: compare the order of the classes '
            'in training with that of the categories in the annotation file',
            best,
        )
