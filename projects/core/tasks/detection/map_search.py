"""Which faults explain a low mAP: by what the mAP would be without them.

Faults come together, and then no fix alone may raise the mAP: boxes in a wrong frame
hide that the classes are permuted. So images and boxes are searched together, all ways
by all ways, on a few images and regardless of class; then the classes of the few best,
with the scores as they are and reversed; and what remains must show, each fix for
itself, that the mAP falls without it.

Legend: D detections, G ground truths, P pairs of both in one image, I images.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from projects.core.tasks.detection.box_frames import FORMS, exchange_axes, frames_of
from projects.core.tasks.detection.id_maps import (
    Confusion,
    IdMap,
    assigned_images,
    class_maps,
    image_maps,
)
from projects.core.tasks.detection.map_case import Case
from projects.core.tasks.detection.matching import Detections, pair_ious
from projects.core.tasks.detection.results_file import Results

SCREENED = 48  # images on which all ways are tried
COMPARED = 400  # images on which the best of them are compared
PER_IMAGE = 60  # detections of an image that are screened
FINALISTS = 4
ASSIGNED = 150  # images among which an assignment is looked for
NMS_IOU = 0.6
# by kind, in the order that fixes are applied in: the least gain of mAP that makes one
LEAST_GAIN = {
    'images': 0.01,
    'axes': 0.01,
    'form': 0.01,
    'frame': 0.02,
    'classes': 0.002,
    'scores': 0.01,
    'copies': 0.002,
    'duplicates': 0.02,
}
KINDS = tuple(LEAST_GAIN)
OF_PLACE = KINDS[:4]


class Fix(NamedTuple):
    """A fault that is undone.

    Args:
        kind: Of ``KINDS``.
        fault: What is wrong.
        change: What to change.
        apply: Function that gives the detections without it; the kinds' order is kept.
    """

    kind: str
    fault: str
    change: str
    apply: Callable[[Detections], Detections]


def fixed(dets: Detections, fixes: list[Fix]) -> Detections:
    """Detections without some faults."""
    for fix in sorted(fixes, key=lambda fix: KINDS.index(fix.kind)):
        dets = fix.apply(dets)
    return dets


class _Screen:
    """How well boxes fit a few images, regardless of class and score."""

    def __init__(self, case: Case, dets: Detections) -> None:
        part = case.part(SCREENED)
        gts = part.truths[~part.truths.crowd]
        self.gts = gts[np.argsort(gts.image, kind='stable')]
        there = np.zeros(len(case.sizes) + 1, bool)  # the last for -1
        there[self.gts.image] = True
        rows = np.flatnonzero(there[dets.image])
        rows = rows[np.lexsort((-dets.score[rows], dets.image[rows]))]
        image = dets.image[rows]
        start = np.searchsorted(image, image, 'left')
        rank = np.arange(len(rows)) - start
        count = np.searchsorted(image, image, 'right') - start
        # of the best and of the worst, which are the best where scores are reversed
        half = PER_IMAGE // 2
        keep = (rank < half) | (rank >= count - half)
        self.rows, self.image = rows[keep], image[keep]
        first = np.searchsorted(self.image, self.gts.image, 'left')
        num = np.searchsorted(self.image, self.gts.image, 'right') - first
        self.gt = np.repeat(np.arange(len(self.gts)), num)  # ascending
        offset = np.arange(len(self.gt)) - np.repeat(np.cumsum(num) - num, num)
        self.det = first[self.gt] + offset

    def fit(self, boxes: np.ndarray) -> float:
        """Mean over the ground truths of the best IoU, from 0 at 0.5 to 1 at 1."""
        if not len(self.gt):
            return 0.0
        iou = pair_ious(
            boxes[self.det], self.gts.bboxes[self.gt], np.zeros(len(self.gt), bool)
        )
        start = np.flatnonzero(np.diff(self.gt, prepend=-1))
        best = np.maximum.reduceat(iou, start)
        return float(np.clip(2 * best - 1, 0, None).sum() / len(self.gts))


class Search:
    """The faults of a results file.

    Args:
        case: What it is evaluated against.
        results: The file.
        img_ids: I ids, in the order of the annotation file.
        file_names: I names.
        cat_ids: K ids.
        classes: K names.
    """

    def __init__(
        self,
        case: Case,
        results: Results,
        img_ids: list,
        file_names: list[str],
        cat_ids: list,
        classes: list[str],
    ) -> None:
        self.case, self.results, self.classes = case, results, classes
        self.known_images, self.image_maps = image_maps(
            results.image_ids, img_ids, file_names, results.file_names
        )
        self.known_classes, self.class_maps = class_maps(results.class_ids, cat_ids)
        self.dets = Detections(
            self.known_images[results.image_code],
            self.known_classes[results.class_code],
            results.bboxes,
            results.score,
        )

    def run(self) -> list[Fix]:
        """Fixes that together raise the mAP, in the order of ``KINDS``."""
        if not len(self.dets) or not len(self.case.images_with_objects()):
            return []
        ranked = sorted(self._ways(), key=lambda way: -way[0])
        finalists = [[]]
        for _, fixes in ranked:
            if len(finalists) <= FINALISTS and fixes:
                finalists.append(fixes)
        part = self.case.part(COMPARED)
        best, best_value = [], -1.0
        for fixes in finalists:
            for more in self._with_classes(part, fixes):
                dets = part.of_part(fixed(self.dets, more))
                value = part.ap50(dets) - 0.005 * len(more)
                if value > best_value:
                    best, best_value = more, value
        best = self._proven(best)
        if all(fix.kind != 'images' for fix in best):
            best = self._proven(best + self._assigned(best))
        return self._proven([*best, self._no_copies(), self._nms()])

    def _ways(self) -> Iterator[tuple[float, list[Fix]]]:
        """Ways to read images and boxes, with how well they fit."""
        for image_map in (None, *self.image_maps):
            images, dets = [], self.dets
            if image_map is not None:
                images = [self._of_images(image_map)]
                dets = fixed(dets, images)
            screen = _Screen(self.case, dets)
            for fixes, boxes in self._box_ways(dets.bboxes[screen.rows]):
                yield self._value(screen, boxes, images + fixes)
                for frame in frames_of(
                    boxes[screen.det],
                    screen.gts.bboxes[screen.gt],
                    screen.image[screen.det],
                    self.case.sizes,
                ):
                    inside = frame.to_pixels(boxes, screen.image)
                    more = [*images, *fixes, _of_frame(frame)]
                    value, _ = self._value(screen, inside, more)
                    yield value - frame.strangeness, more

    @staticmethod
    def _value(screen: _Screen, boxes: np.ndarray, fixes: list[Fix]):
        return screen.fit(boxes) - 0.01 * len(fixes), fixes

    @staticmethod
    def _box_ways(boxes: np.ndarray) -> Iterator[tuple[list[Fix], np.ndarray]]:
        for axes in ([], [_AXES]):
            turned = exchange_axes(boxes) if axes else boxes
            yield axes, turned
            for form in FORMS:
                yield [*axes, _of_form(form)], form.to_xywh(turned)

    def _of_images(self, image_map: IdMap) -> Fix:
        image = image_map.map[self.results.image_code]
        return Fix(
            'images',
            image_map.fault,
            image_map.change,
            lambda dets: replace(dets, image=image),
        )

    def _with_classes(self, part: Case, fixes: list[Fix]) -> Iterator[list[Fix]]:
        """The same fixes, with the classes that they show, by both orders of the
        scores."""
        for scores in ([], [_REVERSED]):
            yield fixes + scores
            dets = fixed(self.dets, fixes + scores)
            confusion = Confusion.of(
                part, dets, self.results.class_code, len(self.results.class_ids)
            )
            found = confusion.choose(
                self.results.class_ids,
                self.classes,
                self.known_classes,
                self.class_maps,
            )
            if found is not None:
                label = found.map[self.results.class_code]
                fix = Fix(
                    'classes',
                    found.fault,
                    found.change,
                    lambda dets, label=label: replace(dets, label=label),
                )
                yield [*fixes, fix, *scores]

    def _assigned(self, fixes: list[Fix]) -> list[Fix]:
        """Images exchanged in no order, where there are few enough."""
        num = len(self.results.image_ids)
        if len(self.case.sizes) > ASSIGNED or num > ASSIGNED:
            return []
        map_ = assigned_images(
            self.case, fixed(self.dets, fixes), self.results.image_code, num
        )
        if map_ is None or (map_ == self.known_images).all():
            return []
        changed = (map_ != self.known_images).sum()
        return [
            self._of_images(
                IdMap(
                    f'images are mixed up: {changed} of {num} image ids are those of '
                    'other images, in no order that has a name',
                    'take the id from the sample itself, not from a count',
                    map_,
                )
            )
        ]

    def _no_copies(self) -> Fix:
        def apply(dets: Detections) -> Detections:
            rows = np.column_stack([dets.image, dets.label, dets.bboxes, dets.score])
            return dets[np.sort(np.unique(rows, axis=0, return_index=True)[1])]

        return Fix(
            'copies',
            'detections stand in the file more than once',
            'write each detection once',
            apply,
        )

    def _nms(self) -> Fix:
        def apply(dets: Detections) -> Detections:
            import torch
            from torchvision.ops import batched_nms

            boxes = torch.from_numpy(dets.bboxes.copy())
            boxes[:, 2:] += boxes[:, :2]
            group = dets.image * (self.case.num_classes + 1) + dets.label
            keep = batched_nms(
                boxes,
                torch.from_numpy(dets.score),
                torch.from_numpy(group),
                NMS_IOU,
            )
            return dets[np.sort(keep.numpy())]

        return Fix(
            'duplicates',
            'objects are detected many times, as without non-maximum suppression',
            f'apply NMS in each class (model.test_cfg: nms, iou_threshold={NMS_IOU})',
            apply,
        )

    def _proven(self, fixes: list[Fix]) -> list[Fix]:
        """Those without which the mAP falls; the least useful goes first."""
        fixes = sorted(fixes, key=lambda fix: KINDS.index(fix.kind))
        fixes = self._not_by_chance(fixes)
        while fixes:
            after = self.case.mean_ap(fixed(self.dets, fixes))
            surplus = []
            for fix in fixes:
                others = [f for f in fixes if f is not fix]
                gain = after - self.case.mean_ap(fixed(self.dets, others))
                least = LEAST_GAIN[fix.kind]
                if fix.kind not in ('classes', 'copies'):
                    least = max(least, 0.1 * after)
                surplus.append(gain - least)
            if min(surplus) >= 0:
                break
            fixes.pop(int(np.argmin(surplus)))
        return fixes

    def _not_by_chance(self, fixes: list[Fix]) -> list[Fix]:
        """Without what fits the objects of other images nearly as well, and without a
        reversal that does not put what is right first."""
        dets = fixed(self.dets, fixes)
        if any(fix.kind in OF_PLACE for fix in fixes):
            part = self.case.part(COMPARED)
            here, there = (c.ap50(c.of_part(dets)) for c in (part, part.exchanged()))
            if len(part.images_with_objects()) > 2 and here < 1.5 * there + 0.01:
                fixes = [fix for fix in fixes if fix.kind not in OF_PLACE]
        if _REVERSED in fixes and not self._puts_right_first(dets):
            fixes = [fix for fix in fixes if fix is not _REVERSED]
        return fixes

    def _puts_right_first(self, dets: Detections) -> bool:
        """Whether detections of an object have higher scores than the others, by
        three standard deviations of the rank-sum test."""
        from scipy.stats import mannwhitneyu

        matching = self.case.matching(dets)
        right = matching.best(matching.same)[1] >= 0.5
        score = matching.detections.score
        if right.all() or not right.any():
            return False
        test = mannwhitneyu(score[right], score[~right], alternative='greater')
        return test.pvalue < 1e-3


_AXES = Fix(
    'axes',
    'x and y are exchanged',
    'write x before y, width before height',
    lambda dets: replace(dets, bboxes=exchange_axes(dets.bboxes)),
)
_REVERSED = Fix(
    'scores',
    'the scores are reversed: what is right has the lower ones',
    'write a score that is higher for what is surer, not a distance or loss',
    lambda dets: replace(dets, score=-dets.score),
)


def _of_form(form) -> Fix:
    return Fix(
        'form',
        form.fault,
        form.change,
        lambda dets: replace(dets, bboxes=form.to_xywh(dets.bboxes)),
    )


def _of_frame(frame) -> Fix:
    return Fix(
        'frame',
        *frame.words,
        lambda dets: replace(dets, bboxes=frame.to_pixels(dets.bboxes, dets.image)),
    )
