"""The mAP of detections that are changed again and again, quickly.

Legend: D detections, G ground truths, I images, K classes. Boxes are (N, 4) xywh in
pixels of the image file unless said otherwise.
"""

from dataclasses import dataclass, replace

import numpy as np

from projects.core.tasks.detection.matching import (
    IOU_THRS,
    MAX_DETS,
    Detections,
    GroundTruths,
    Matching,
    mean_precision,
    precision_at_recalls,
)


@dataclass
class Case:
    """What detections are evaluated against.

    An image or a label of -1 marks a detection of none that is known; it counts
    nowhere.

    Args:
        truths: Ground truths.
        sizes: (I, 2), width and height of the images.
        num_classes: K.
    """

    truths: GroundTruths
    sizes: np.ndarray
    num_classes: int

    def matching(self, dets: Detections, max_dets: int = MAX_DETS) -> Matching:
        """Of the detections whose image and label are known."""
        known = (dets.image >= 0) & (dets.label >= 0)
        return Matching(dets[known], self.truths, max_dets)

    def precision(self, matching: Matching, iou_thr: float) -> np.ndarray:
        """(R, K), see :func:`precision_at_recalls`."""
        match = matching.match(iou_thr)
        label = matching.detections.label[~match.ignored]
        counted = self.truths.label[~self.truths.crowd]
        return precision_at_recalls(
            label,
            match.hit[~match.ignored],
            np.bincount(counted, minlength=self.num_classes),
        )

    def mean_ap(
        self,
        dets: Detections,
        iou_thrs: tuple = IOU_THRS,
        max_dets: int = MAX_DETS,
    ) -> float:
        """COCO's mAP; -1 without ground truth."""
        matching = self.matching(dets, max_dets)
        values = [mean_precision(self.precision(matching, thr)) for thr in iou_thrs]
        return -1.0 if None in values else float(np.mean(values))

    def ap50(self, dets: Detections) -> float:
        return self.mean_ap(dets, (0.5,))

    def ap50_of_any_class(self, dets: Detections) -> float:
        """AP50 as if there were one class."""
        one = replace(self.truths, label=np.zeros_like(self.truths.label))
        labels = np.zeros_like(dets.label)
        return Case(one, self.sizes, 1).ap50(replace(dets, label=labels))

    def images_with_objects(self) -> np.ndarray:
        """Indices of images, ascending."""
        return np.unique(self.truths.image[~self.truths.crowd])

    def part(self, limit: int) -> 'Case':
        """At most so many of the images with objects, evenly spread; the indices of
        images stay, and detections of the others are false."""
        images = self.images_with_objects()
        if len(images) <= limit:
            return self
        some = images[np.linspace(0, len(images) - 1, limit).astype(int)]
        return replace(self, truths=self.truths[np.isin(self.truths.image, some)])

    def of_part(self, dets: Detections) -> Detections:
        """Those on images with objects."""
        there = np.zeros(len(self.sizes) + 1, bool)  # the last for -1
        there[self.truths.image] = True
        return dets[there[dets.image]]

    def exchanged(self) -> 'Case':
        """The objects of each image with objects on another one, half of them away:
        what fits by chance alone fits these as well."""
        images = self.images_with_objects()
        other = np.arange(len(self.sizes))
        other[images] = np.roll(images, len(images) // 2)
        return replace(
            self, truths=replace(self.truths, image=other[self.truths.image])
        )
