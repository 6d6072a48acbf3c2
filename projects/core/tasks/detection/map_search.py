"""Which faults explain a low mAP: by what the mAP would be without them.

Faults come together, and then no fix alone may raise the mAP: boxes in a wrong frame
hide that the classes are permuted. So images and boxes are searched together, all ways
by all ways, on a few images and regardless of class; then the classes of the few best,
with the scores as they are and reversed; and what remains must show, each fix for
itself, that the mAP falls without it.

Legend: D detections, G ground truths, P pairs of both in one image, I images.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.stats import mannwhitneyu

from projects.core.tasks.detection.box_frames import FORMS, exchange_axes, frames_of
from projects.core.tasks.detection.class_confusion import Confusion
from projects.core.tasks.detection.id_maps import (
    IdMap,
    assigned_images,
    class_maps,
    image_maps,
)
from projects.core.tasks.detection.map_case import Case
from projects.core.tasks.detection.map_fixes import (
    AXES,
    COPIES,
    DUPLICATES,
    KINDS,
    LEAST_GAIN,
    OF_PLACE,
    REVERSED,
    Fix,
    fixed,
    of_form,
    of_frame,
    of_unit,
)
from projects.core.tasks.detection.map_screen import PER_IMAGE, Screen, both_ends
from projects.core.tasks.detection.matching import Detections, Matching
from projects.core.tasks.detection.results_file import Results

COMPARED = 400  # images on which the best ways are compared
FINALISTS = 4
ASSIGNED = 150  # images among which an assignment is looked for
WELL_PLACED = 0.5  # fit of boxes that are taken to be on their images
LEAST_SIGMA = 2.5  # of what is not by chance
SUSPECT_MAP = 0.1  # what is below it after the fixes must be twice as sure


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
        self.known_classes, self.class_maps = class_maps(
            results.class_ids, cat_ids, classes
        )
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
        best = self._proven(self._best(finalists))
        if all(fix.kind != 'images' for fix in best):
            shuffled = list(self._shuffled(best))
            best = self._proven(self._best([best, *shuffled]))
        return self._proven([*best, COPIES, DUPLICATES])

    def _best(self, ways: list[list[Fix]]) -> list[Fix]:
        """Of ways to read images and boxes that of the greatest AP50, with the
        classes and the order of scores that suit it best."""
        part = self.case.part(COMPARED)
        best, best_value = [], -1.0
        for way in ways:
            for fixes in self._with_classes(part, way):
                dets = part.of_part(fixed(self.dets, fixes))
                value = part.ap50(dets) - sum(0.005 + fix.strangeness for fix in fixes)
                if value > best_value:
                    best, best_value = fixes, value
        return best

    def _ways(self) -> Iterator[tuple[float, list[Fix]]]:
        """Ways to read images and boxes, with how well they fit.

        Other ways to read images are left out where the boxes fit these well.
        """
        best = 0.0
        for image_map in (None, *self.image_maps):
            if best >= WELL_PLACED:
                return
            images, dets = [], self.dets
            if image_map is not None:
                images = [self._of_images(image_map)]
                dets = fixed(dets, images)
            screen = Screen(self.case, dets)
            for fixes, boxes in self._box_ways(dets.bboxes[screen.rows]):
                value = self._value(screen, boxes, images + fixes)
                best = max(best, value)
                yield value, images + fixes
                for frame in frames_of(
                    boxes[screen.det],
                    screen.gts.bboxes[screen.gt],
                    screen.image[screen.det],
                    self.case.sizes,
                ):
                    inside = frame.to_pixels(boxes, screen.image)
                    more = [*images, *fixes, of_frame(frame)]
                    value = self._value(screen, inside, more) - frame.strangeness
                    best = max(best, value)
                    yield value, more

    @staticmethod
    def _value(screen: Screen, boxes: np.ndarray, fixes: list[Fix]) -> float:
        return screen.fit(boxes) - 0.01 * len(fixes)

    @staticmethod
    def _box_ways(boxes: np.ndarray) -> Iterator[tuple[list[Fix], np.ndarray]]:
        for axes in ([], [AXES]):
            turned = exchange_axes(boxes) if axes else boxes
            yield axes, turned
            for form in FORMS:
                yield [*axes, of_form(form)], form.to_xywh(turned)

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
        for scores in ([], [REVERSED]):
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

    def _shuffled(self, best: list[Fix]) -> Iterator[list[Fix]]:
        """Ways to read boxes with images in no order, where there are few images.

        Args:
            best: What was found by now; where it finds most objects, its way to read
                the boxes is the only one.
        """
        num = len(self.results.image_ids)
        if len(self.case.sizes) > ASSIGNED or num > ASSIGNED:
            return
        place = [fix for fix in best if fix.kind in OF_PLACE]
        rows = both_ends(self.results.image_code, self.dets.score, PER_IMAGE // 2)
        code, boxes = self.results.image_code[rows], self.dets.bboxes[rows]
        ways = [(place, fixed(self.dets, place).bboxes[rows])]
        if self._fit(place) < WELL_PLACED:
            ways += self._box_ways(boxes)
        unit = of_unit(self.case.sizes)
        for fixes, boxes in ways:
            for in_unit in (False, True):
                sizes = self.case.sizes if in_unit else np.ones_like(self.case.sizes)
                map_ = assigned_images(self.case.truths, sizes, boxes, code, num)
                if map_ is None or (map_ == self.known_images).all():
                    continue
                changed = (map_ != self.known_images).sum()
                images = self._of_images(
                    IdMap(
                        f'images are mixed up: {changed} of {num} image ids are those '
                        'of other images, in no order that has a name',
                        'take the id from the sample itself, not from a count',
                        map_,
                    )
                )
                yield [images, *fixes, *([unit] if in_unit else [])]

    def _fit(self, fixes: list[Fix]) -> float:
        dets = fixed(self.dets, fixes)
        screen = Screen(self.case, dets)
        return screen.fit(dets.bboxes[screen.rows])

    def _proven(self, fixes: list[Fix]) -> list[Fix]:
        """Those without which the mAP falls; the least useful goes first."""
        fixes = sorted(fixes, key=lambda fix: KINDS.index(fix.kind))
        fixes = self._not_by_chance(fixes)
        while fixes:
            dets = fixed(self.dets, fixes)
            after = self.case.mean_ap(dets)
            surplus = []
            for fix in fixes:
                without = fixed(self.dets, [f for f in fixes if f is not fix])
                gain = after - self.case.mean_ap(without)
                least = LEAST_GAIN[fix.kind]
                if fix.kind not in ('classes', 'copies'):
                    least = max(least, 0.1 * after)
                sigma = LEAST_SIGMA * (1 if after >= SUSPECT_MAP else 2)
                if fix.kind in OF_PLACE and not self._finds_more(dets, without, sigma):
                    least = np.inf
                surplus.append(gain - least)
            if min(surplus) >= 0:
                break
            fixes.pop(int(np.argmin(surplus)))
        return fixes

    def _not_by_chance(self, fixes: list[Fix]) -> list[Fix]:
        """Without what fits the objects of other images nearly as well, and without a
        reversal that does not put what is right first."""
        dets = fixed(self.dets, fixes)
        if any(fix.kind in OF_PLACE for fix in fixes) and not self._finds_more(
            dets, dets, elsewhere=self.case.exchanged()
        ):
            fixes = [fix for fix in fixes if fix.kind not in OF_PLACE]
        if REVERSED in fixes and not self._puts_right_first(dets):
            fixes = [fix for fix in fixes if fix is not REVERSED]
        return fixes

    def _finds_more(
        self,
        dets: Detections,
        others: Detections,
        sigma: float = LEAST_SIGMA,
        elsewhere: Case | None = None,
    ) -> bool:
        """Whether detections find more objects than others; of either those of the
        highest scores count, twice as many as there are objects.

        Args:
            sigma: Least difference, in standard deviations of that of two counts.
            elsewhere: What the others are compared with; None for the same.
        """
        for iou_thr in (0.5, 0.75):
            here = self._num_found(self.case, dets, iou_thr)
            there = self._num_found(elsewhere or self.case, others, iou_thr)
            if here - there > sigma * np.sqrt(here + there):
                return True
        return False

    @staticmethod
    def _num_found(case: Case, dets: Detections, iou_thr: float) -> int:
        known = dets[dets.image >= 0]
        first = np.argsort(-known.score, kind='stable')[: 2 * len(case.truths)]
        match = Matching(known[first], case.truths).match(iou_thr, by_class=False)
        return int(match.hit.sum())

    def _puts_right_first(self, dets: Detections) -> bool:
        """Whether detections of an object have higher scores than the others, by
        three standard deviations of the rank-sum test."""
        matching = self.case.matching(dets)
        right = matching.best(matching.same)[1] >= 0.5
        score = matching.detections.score
        if right.all() or not right.any():
            return False
        test = mannwhitneyu(score[right], score[~right], alternative='greater')
        return test.pvalue < 1e-3
